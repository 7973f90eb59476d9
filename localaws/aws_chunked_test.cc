#include "localaws/aws_chunked.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "base/result.h"

namespace noroshi::localaws {
namespace {

// The examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// …/sigv4-streaming-trailers.html: 66,560 times 'a' in chunks of 64 KiB.
constexpr std::string_view kSeed =
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
constexpr std::string_view kTrailerSeed =
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";

ChunkSigning signing(std::string_view seed) {
  std::string key = hmac("AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524");
  for (const std::string_view part : {"us-east-1", "s3", "aws4_request"}) key = hmac(key, part);
  return {key, "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", std::string(seed)};
}

std::string documented_body(std::string_view first, std::string_view second,
                            std::string_view last) {
  return fmt::format(
      "10000;chunk-signature={}\r\n{}\r\n400;chunk-signature={}\r\n{}\r\n0;chunk-signature={}\r\n",
      first, std::string(65536, 'a'), second, std::string(1024, 'a'), last);
}

const std::string kSignedBody =
    documented_body("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9") +
    "\r\n";
const std::string kTrailerBody =
    documented_body("b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992") +
    "x-amz-checksum-crc32c:sOO8/Q==\r\n"
    "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n"
    "\r\n";
const std::string kUnsignedBody =
    "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";

struct Decoded {
  std::string data;
  Parameters trailers;
};

// Feeds the body in pieces of random sizes up to `largest`.
Answer<Decoded> decode(std::optional<ChunkSigning> chunk_signing, bool trailer,
                       std::string_view body, size_t largest = 100'000) {
  static std::mt19937 random(1);
  AwsChunkedDecoder decoder(std::move(chunk_signing), trailer);
  Decoded out;
  while (!body.empty()) {
    const size_t size = std::min<size_t>(body.size(), 1 + random() % largest);
    NOROSHI_TRY(decoder.decode(body.substr(0, size), [&](std::string_view data) -> Answer<void> {
      out.data.append(data);
      return {};
    }));
    body.remove_prefix(size);
  }
  NOROSHI_TRY(decoder.finish());
  out.trailers = decoder.trailers();
  return out;
}

std::string code(const Answer<Decoded>& answer) { return answer ? "" : answer.error().code; }

TEST(AwsChunked, DocumentedSignedBodyInAnyPieces) {
  for (const size_t largest : {1, 7, 100, 5000, 100'000}) {
    const auto decoded = decode(signing(kSeed), false, kSignedBody, largest);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->data, std::string(66560, 'a'));
  }
}

TEST(AwsChunked, DocumentedSignedTrailer) {
  for (const size_t largest : {1, 50, 100'000}) {
    const auto decoded = decode(signing(kTrailerSeed), true, kTrailerBody, largest);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->trailers, (Parameters{{"x-amz-checksum-crc32c", "sOO8/Q=="}}));
  }
}

TEST(AwsChunked, AnyChangedByteOfASignedBodyIsRefused) {
  std::mt19937 random(2);
  for (int i = 0; i < 300; ++i) {
    std::string body = kTrailerBody;
    // Around the frames; most of the body is data, one case of it is enough.
    const size_t at = i == 0 ? 1000 : body.size() - 1 - random() % 500;
    const bool in_final_newlines = at >= body.size() - 4;
    // Not bit 5: names of trailers compare without case.
    body[at] = static_cast<char>(body[at] ^ (1 << random() % 5));
    if (!in_final_newlines) {
      EXPECT_FALSE(decode(signing(kTrailerSeed), true, body)) << "byte " << at;
    }
  }
}

TEST(AwsChunked, UnsignedTrailer) {
  const auto decoded = decode({}, true, kUnsignedBody, 3);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->data, "hello world");
  EXPECT_EQ(decoded->trailers, (Parameters{{"x-amz-checksum-crc32", "DUoRhQ=="}}));
}

TEST(AwsChunked, EveryPrefixIsIncomplete) {
  for (size_t size = 0; size + 2 < kUnsignedBody.size(); ++size) {
    const auto cut = decode({}, true, std::string_view(kUnsignedBody).substr(0, size));
    EXPECT_EQ(code(cut), "IncompleteBody") << size;
  }
}

TEST(AwsChunked, RefusesWhatIsNoChunk) {
  EXPECT_EQ(code(decode({}, true, "xyz\r\n")), "InvalidRequest");
  EXPECT_EQ(code(decode({}, true, "\r\n")), "InvalidRequest");
  EXPECT_EQ(code(decode({}, true, "-1\r\n")), "InvalidRequest");
  EXPECT_EQ(code(decode({}, true, "ffffffffffffffffff\r\n")), "InvalidRequest");
  EXPECT_EQ(code(decode({}, true, "5\r\nhello!\r\n0\r\n\r\n")), "InvalidRequest");
  EXPECT_EQ(code(decode({}, true, "0\r\n\r\nmore")), "InvalidRequest");
  EXPECT_EQ(code(decode({}, false, "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n")),
            "InvalidRequest");
  EXPECT_EQ(code(decode({}, true, std::string(5000, '1'))), "InvalidRequest");
  EXPECT_EQ(code(decode(signing(kSeed), false, "5\r\nhello\r\n0\r\n\r\n")), "InvalidRequest");
  // A signed trailer cannot be cut off together with its signature.
  const std::string cut = kTrailerBody.substr(0, kTrailerBody.find("x-amz-checksum")) + "\r\n";
  EXPECT_EQ(code(decode(signing(kTrailerSeed), true, cut)), "IncompleteBody");
}

}  // namespace
}  // namespace noroshi::localaws
