// Hashes, URIs, XML, times and file names against published values and round trips.

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "localaws/checksums.h"
#include "localaws/data_directory.h"
#include "localaws/hashes.h"
#include "localaws/time_text.h"
#include "localaws/uri.h"
#include "localaws/xml.h"

namespace noroshi::localaws {
namespace {

TEST(Hashes, CatalogueValuesInAnyPieces) {
  // "check" of the CRC catalogue; RFC 1321 and FIPS 180 for the others.
  const std::vector<std::pair<HashAlgorithm, std::string>> expected = {
      {HashAlgorithm::Crc32, "cbf43926"},
      {HashAlgorithm::Crc32c, "e3069283"},
      {HashAlgorithm::Crc64Nvme, "ae8b14860a799888"},
      {HashAlgorithm::Md5, "25f9e794323b453885f5181f1b624d0b"},
      {HashAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
      {HashAlgorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"}};
  for (const auto& [algorithm, value] : expected) {
    EXPECT_EQ(hex(hash(algorithm, "123456789")), value);
    for (size_t cut = 0; cut <= 9; ++cut) {
      Hasher hasher(algorithm);
      hasher.update(std::string_view("123456789").substr(0, cut));
      hasher.update(std::string_view("123456789").substr(cut));
      EXPECT_EQ(hex(hasher.finish()), value);
    }
    EXPECT_EQ(from_hex(value), hash(algorithm, "123456789"));
  }
}

TEST(Base64, RoundTripsAndRefuses) {
  std::mt19937 random(1);
  for (size_t size = 0; size < 100; ++size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_EQ(base64_decode(base64(bytes)), bytes);
  }
  for (const std::string_view bad : {"A", "AA", "AAA", "A===", "AA=A", "====", "AA A", "AAA\n",
                                     "AB==", "AP==", "AAB=", "AAD="}) {
    EXPECT_FALSE(base64_decode(bad)) << bad;
  }
}

TEST(Uri, EncodesAndDecodes) {
  EXPECT_EQ(percent_encode("a b/日+~", true), "a%20b/%E6%97%A5%2B~");
  EXPECT_EQ(percent_encode("a/b", false), "a%2Fb");
  EXPECT_EQ(percent_decode("a%20b%2f+", false), "a b/+");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  for (const std::string_view bad : {"%", "%2", "%zz", "a%2"}) {
    EXPECT_FALSE(percent_decode(bad, false)) << bad;
  }
  EXPECT_EQ(parse_query("a=1&b&&c=x%3Dy&a=2"),
            (Parameters{{"a", "1"}, {"b", ""}, {"c", "x=y"}, {"a", "2"}}));
  EXPECT_FALSE(parse_query("a=%"));
}

TEST(Xml, ReadsWhatClientsSend) {
  const auto xml = parse_xml(
      "<?xml version=\"1.0\"?>\n<!-- c --><s3:Delete xmlns:s3='http://x' "
      "a=\"b>\"><Quiet>true</Quiet>\n"
      "<Object><Key>a &amp;&lt;&#x65e5;&#10;<![CDATA[<&]]></Key></Object><Empty/></s3:Delete>\n");
  ASSERT_TRUE(xml);
  EXPECT_EQ(xml->name, "Delete");
  EXPECT_EQ(xml->child_text("Quiet"), "true");
  EXPECT_EQ(xml->child("Object")->child_text("Key"), "a &<日\n<&");
  EXPECT_EQ(xml->child_text("Nothing"), "");
}

TEST(Xml, RefusesTheRest) {
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += "<a>";
  for (const std::string& bad :
       {std::string(), std::string("text"), std::string("<a>"), std::string("<a></b>"),
        std::string("<a/><b/>"), std::string("<a>&unknown;</a>"), std::string("<a>&#xD800;</a>"),
        std::string("<a b></a>"), std::string("<a b='></a>"),
        std::string("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), std::string("<a><!-- </a>"),
        deep}) {
    EXPECT_FALSE(parse_xml(bad)) << bad;
  }
}

TEST(Xml, EscapesRoundTrip) {
  const std::string text = "<&>\"' \t\n\x01日";
  const auto xml = parse_xml("<k>" + escape_xml(text) + "</k>");
  ASSERT_TRUE(xml);
  EXPECT_EQ(xml->text, text);
}

TEST(TimeText, AsTheServicesWriteIt) {
  const Timestamp time = Timestamp(Milliseconds(1'763'866'380'007));
  EXPECT_EQ(iso_time(time), "2025-11-23T02:53:00Z");
  EXPECT_EQ(iso_time_millis(time), "2025-11-23T02:53:00.007Z");
  EXPECT_EQ(http_time(time), "Sun, 23 Nov 2025 02:53:00 GMT");
  EXPECT_EQ(parse_http_time(http_time(time)), std::chrono::floor<Seconds>(time));
  EXPECT_FALSE(parse_http_time("yesterday"));
  EXPECT_FALSE(parse_http_time("Sun, 23 Nov 9999 02:53:00 GMT"));
}

TEST(DataDirectory, FileNamesAreSafeAndDifferent) {
  const std::vector<std::string> keys = {"a",
                                         ".",
                                         "..",
                                         "a/b",
                                         "a%2Fb",
                                         "a@b",
                                         "",
                                         "A",
                                         "日",
                                         "~",
                                         ".hid",
                                         "a.b",
                                         " ",
                                         std::string(1024, 'k'),
                                         std::string(1023, 'k'),
                                         std::string(200, '/')};
  std::set<std::string> names;
  for (const std::string& key : keys) {
    const std::string name = file_name_for(key);
    EXPECT_LE(name.size(), 200U);
    EXPECT_EQ(name.find_first_of("/@"), std::string::npos) << name;
    EXPECT_FALSE(name.starts_with('.')) << name;
    EXPECT_TRUE(names.insert(name).second) << key;
  }
}

TEST(BodyChecks, StatesAndCompares) {
  const auto run = [](std::vector<ServerHeader> headers, std::string_view body,
                      const Parameters& trailers = {}) -> std::string {
    const ServerRequest head{.headers = std::move(headers)};
    auto checks = BodyChecks::make(head, false);
    if (!checks) return checks.error().code;
    checks->update(body);
    const auto finished = checks->finish(trailers);
    return finished ? "" : finished.error().code;
  };
  EXPECT_EQ(run({{"Content-MD5", "JfnnlDI7RTiF9RgfG2JNCw=="}}, "123456789"), "");
  EXPECT_EQ(run({{"Content-MD5", "JfnnlDI7RTiF9RgfG2JNCw=="}}, "12345678"), "BadDigest");
  EXPECT_EQ(run({{"Content-MD5", "JfnnlDI7"}}, ""), "InvalidDigest");
  EXPECT_EQ(run({{"x-amz-checksum-crc32", "y/Q5Jg=="}}, "123456789"), "");
  EXPECT_EQ(run({{"X-Amz-Checksum-CRC32", "y/Q5Jg=="}}, "x"), "BadDigest");
  EXPECT_EQ(run({{"x-amz-checksum-crc32", "y/Q5"}}, ""), "InvalidRequest");
  EXPECT_EQ(run({{"x-amz-checksum-crc31", "y/Q5Jg=="}}, ""), "InvalidRequest");
  EXPECT_EQ(run({{"x-amz-checksum-crc32", "y/Q5Jg=="}, {"x-amz-checksum-crc32c", "4waSgw=="}}, ""),
            "InvalidRequest");
  const std::vector<ServerHeader> trailer = {{"x-amz-trailer", "x-amz-checksum-crc64nvme"}};
  EXPECT_EQ(run(trailer, "123456789", {{"x-amz-checksum-crc64nvme", "rosUhgp5mIg="}}), "");
  EXPECT_EQ(run(trailer, "123456789", {{"x-amz-checksum-crc64nvme", "AAAAAAAAAAA="}}), "BadDigest");
  EXPECT_EQ(run(trailer, "123456789"), "MalformedTrailerError");
  EXPECT_EQ(run({{"x-amz-trailer", "x-other"}}, ""), "InvalidRequest");
}

}  // namespace
}  // namespace noroshi::localaws
