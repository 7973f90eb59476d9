#include "aws/sigv4.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <cstdio>
#include <memory>
#include <random>

#include "http/url.h"

namespace noroshi {
namespace {

Timestamp at(int64_t seconds) { return Timestamp(Seconds(seconds)); }

std::string run(const std::string& command) {
  std::string output;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  char buffer[65536];
  size_t got = 0;
  while (pipe && (got = fread(buffer, 1, sizeof buffer, pipe.get())) > 0)
    output.append(buffer, got);
  return output;
}

// Hundreds of random requests signed by botocore, then by us, then verified as a server would.
TEST(SigV4, AgreesWithBotocore) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  const std::string lines = run(
      fmt::format("/usr/bin/python3 {}/src/aws/sigv4_vectors.py {} 600", NOROSHI_SOURCE_DIR, seed));
  simdjson::dom::parser parser;
  simdjson::dom::document_stream stream;
  const simdjson::padded_string json(lines);
  ASSERT_EQ(parser.parse_many(json).get(stream), simdjson::SUCCESS);
  int compared = 0;
  for (const auto vector : stream) {
    const auto text = [&](const char* name) {
      return std::string(std::string_view(vector[name].get_string().value()));
    };
    HttpRequest request;
    request.method = text("method");
    request.url = text("url");
    simdjson::dom::object headers = vector["headers"].get_object().value();
    for (const auto& [name, value] : headers) {
      request.headers.add(name, value.get_string().value());
    }
    SigV4Signer signer(text("service"), text("region"));
    const Credentials credentials{text("key"), text("secret"), text("token"), {}, "test"};
    const Timestamp time = at(vector["time"].get_int64().value());
    const std::string payload = text("payload");
    for (int attempt = 0; attempt < 2;
         ++attempt) {  // signing again replaces, and uses the cached key
      const auto signed_ok = signer.sign(request, credentials, time, payload);
      ASSERT_TRUE(signed_ok) << signed_ok.error().message;
      ASSERT_EQ(request.headers.get("Authorization"), text("authorization"))
          << request.method << ' ' << request.url;
    }
    // The server's side.
    const Url url = parse_url(request.url).value();
    const auto authorization = parse_authorization(request.headers.get("authorization"));
    ASSERT_TRUE(authorization) << authorization.error().message;
    EXPECT_EQ(authorization->access_key_id, credentials.access_key_id);
    EXPECT_EQ(authorization->region, text("region"));
    EXPECT_EQ(authorization->service, text("service"));
    const ReceivedRequest received{request.method, url.path, url.query, request.headers, payload};
    const std::string expected = expected_signature(
        received, *authorization, request.headers.get("x-amz-date"), credentials.secret_access_key);
    EXPECT_TRUE(same_signature(expected, authorization->signature));
    EXPECT_FALSE(same_signature(
        expected_signature(received, *authorization, request.headers.get("x-amz-date"), "other"),
        authorization->signature));
    ++compared;
  }
  EXPECT_EQ(compared, 600);
}

// The worked example of AWS's documentation (GET iam ListUsers), independent of botocore.
TEST(SigV4, TheDocumentedExample) {
  HttpRequest request;
  request.url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}};
  SigV4Signer signer("iam", "us-east-1");
  const Credentials credentials{
      "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "", {}, ""};
  ASSERT_TRUE(signer.sign(request, credentials, at(1440938160), sha256_hex("")));
  EXPECT_EQ(request.headers.get("x-amz-date"), "20150830T123600Z");
  EXPECT_EQ(request.headers.get("authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

TEST(SigV4, ANewDayMeansANewKeyAndNoTokenMeansNoHeader) {
  SigV4Signer signer("logs", "eu-west-1");
  HttpRequest request;
  request.method = "POST";
  request.url = "https://logs.eu-west-1.amazonaws.com/";
  const Credentials with_token{"A", "s", "t", {}, ""};
  const Credentials without{"A", "s", "", {}, ""};
  ASSERT_TRUE(signer.sign(request, with_token, at(1440938160), sha256_hex("x")));
  EXPECT_EQ(request.headers.get("x-amz-security-token"), "t");
  EXPECT_FALSE(request.headers.find("x-amz-content-sha256"));
  ASSERT_TRUE(signer.sign(request, without, at(1440938160 + 86400), sha256_hex("x")));
  EXPECT_FALSE(request.headers.find("x-amz-security-token"));
  HttpRequest fresh;
  fresh.method = "POST";
  fresh.url = request.url;
  SigV4Signer other("logs", "eu-west-1");
  ASSERT_TRUE(other.sign(fresh, without, at(1440938160 + 86400), sha256_hex("x")));
  EXPECT_EQ(fresh.headers.get("authorization"), request.headers.get("authorization"));
  const Credentials other_secret{"A", "s2", "", {}, ""};
  ASSERT_TRUE(signer.sign(request, other_secret, at(1440938160 + 86400), sha256_hex("x")));
  EXPECT_NE(fresh.headers.get("authorization"), request.headers.get("authorization"));
}

TEST(SigV4, BrokenAuthorizationHeadersAreRefused) {
  for (const char* bad :
       {"", "AWS AK:sig", "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a/2026/r/s/aws4_request, SignedHeaders=host, Signature=1",
        "AWS4-HMAC-SHA256 Credential=20260101/r/s/aws4_request, SignedHeaders=host, Signature=1",
        "AWS4-HMAC-SHA256 Credential=/20260101/r/s/aws4_request, SignedHeaders=host, Signature=1",
        "AWS4-HMAC-SHA256 Credential=a/20260101/r/s/other, SignedHeaders=host, Signature=1",
        "AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, SignedHeaders=, Signature=1",
        "AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, SignedHeaders=host, Signature=",
        "AWS4-HMAC-SHA256 nonsense"}) {
    const auto parsed = parse_authorization(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, ErrorCode::InvalidArgument);
  }
  const auto spaced = parse_authorization(
      "AWS4-HMAC-SHA256  Credential=a/20260101/r/s/aws4_request,SignedHeaders=a;b , Signature=ff");
  ASSERT_TRUE(spaced);
  EXPECT_EQ(spaced->signed_headers, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(spaced->signature, "ff");
}

}  // namespace
}  // namespace noroshi
