// The verifier: AWS's documented example, and our own signer (src/aws) over random requests, each
// written without the other. boto3 and AWS's other SDKs check it in tests/system.

#include "localaws/signature.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "aws/sigv4.h"
#include "http/url.h"
#include "localaws/hashes.h"
#include "localaws/time_text.h"

namespace noroshi::localaws {
namespace {

constexpr std::string_view kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct Verdict {
  std::string code;
  std::string arn;
};

class Verifier {
 public:
  explicit Verifier(std::string region = {})
      : issuer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "123456789012"),
        policy{issuer, std::move(region)} {}

  Verdict operator()(const ServerRequest& head, Service service, std::string_view payload_hash,
                     Timestamp now) const {
    const auto query = parse_query(head.query());
    if (!query) return {"query", {}};
    const auto claimed = claimed_signature(head, *query, service);
    if (!claimed) return {claimed.error().code, {}};
    const auto verified =
        verify_signature(head, *query, *claimed, service, payload_hash, policy, now);
    if (!verified) return {verified.error().code, {}};
    return {"", verified->principal.arn};
  }

  CredentialIssuer issuer;
  SignaturePolicy policy;
};

const Timestamp kDocumented = Timestamp(Seconds(1'369'353'600));  // 2013-05-24

// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
ServerRequest documented_get() {
  ServerRequest head{.method = "GET", .target = "/test.txt"};
  head.headers = {
      {"Host", "examplebucket.s3.amazonaws.com"},
      {"Range", "bytes=0-9"},
      {"x-amz-content-sha256", std::string(kEmptyHash)},
      {"x-amz-date", "20130524T000000Z"},
      {"Authorization",
       "AWS4-HMAC-SHA256 "
       "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;"
       "range;x-amz-content-sha256;x-amz-date,Signature="
       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"}};
  return head;
}

TEST(Signature, DocumentedExample) {
  const Verdict verdict = Verifier()(documented_get(), Service::S3, kEmptyHash, kDocumented);
  EXPECT_EQ(verdict.code, "");
  EXPECT_EQ(verdict.arn, "arn:aws:iam::123456789012:root");
}

TEST(Signature, RefusesByName) {
  const Verifier verify;
  const auto changed = [&](auto change, Timestamp now = kDocumented) {
    ServerRequest head = documented_get();
    change(head);
    return verify(head, Service::S3, kEmptyHash, now).code;
  };
  const auto replace = [](std::string& text, std::string_view from, std::string_view to) {
    text.replace(text.find(from), from.size(), to);
  };
  EXPECT_EQ(changed([](auto& head) { head.headers[1].value = "bytes=0-8"; }),
            "SignatureDoesNotMatch");
  EXPECT_EQ(changed([](auto& head) { head.target = "/test.txt?x"; }), "SignatureDoesNotMatch");
  EXPECT_EQ(changed([](auto& head) { head.method = "HEAD"; }), "SignatureDoesNotMatch");
  EXPECT_EQ(changed([](auto& head) { head.headers.pop_back(); }), "AccessDenied");
  EXPECT_EQ(changed([](auto& head) { head.headers.push_back({"x-amz-acl", "private"}); }),
            "AccessDenied");
  EXPECT_EQ(changed([&](auto& head) { replace(head.headers[4].value, "7EXAMPLE/", "7OTHER/"); }),
            "InvalidAccessKeyId");
  EXPECT_EQ(changed([&](auto& head) { replace(head.headers[4].value, "HMAC", "RSA"); }),
            "InvalidRequest");
  EXPECT_EQ(changed([&](auto& head) { replace(head.headers[4].value, ",Signature", ",Sig"); }),
            "AuthorizationHeaderMalformed");
  EXPECT_EQ(changed([&](auto& head) { replace(head.headers[4].value, "/s3/", "/logs/"); }),
            "AuthorizationHeaderMalformed");
  EXPECT_EQ(changed([&](auto& head) { replace(head.headers[3].value, "T0000", "t0000"); }),
            "AuthorizationHeaderMalformed");
  EXPECT_EQ(changed([](auto&) {}, kDocumented + Seconds(15 * 60)), "");
  EXPECT_EQ(changed([](auto&) {}, kDocumented + Seconds(15 * 60 + 1)), "RequestTimeTooSkewed");
  EXPECT_EQ(changed([](auto&) {}, kDocumented - Seconds(15 * 60 + 1)), "RequestTimeTooSkewed");
  EXPECT_EQ(Verifier("eu-west-1")(documented_get(), Service::S3, kEmptyHash, kDocumented).code,
            "AuthorizationHeaderMalformed");
}

TEST(Signature, TemporaryCredentials) {
  const Verifier verify;
  // Tokens of every length modulo 3, and with each of the MAC's digits at the end some time.
  for (int i = 0; i < 200; ++i) {
    const auto issued = verify.issuer.issue(
        "arn:aws:sts::1:assumed-role/r/" + std::string(i % 3, 's'), kDocumented + Seconds(60));
    std::string token = issued.session_token;
    for (size_t from_end = 1; from_end <= 3; ++from_end) {
      const char original = std::exchange(token[token.size() - from_end], 'A');
      if (original == 'A') token[token.size() - from_end] = 'B';
      EXPECT_FALSE(verify.issuer.find(issued.access_key_id, token, kDocumented)) << token;
      token[token.size() - from_end] = original;
    }
  }
  const auto issued =
      verify.issuer.issue("arn:aws:sts::1:assumed-role/r/s", kDocumented + Seconds(60));
  EXPECT_TRUE(verify.issuer.find(issued.access_key_id, issued.session_token, kDocumented));
  const auto problem = [&](std::string_view key, std::string_view token, Timestamp now) {
    return verify.issuer.find(key, token, now).error();
  };
  EXPECT_EQ(problem(issued.access_key_id, "", kDocumented), CredentialProblem::UnknownKey);
  EXPECT_EQ(problem("ASIAOTHER", issued.session_token, kDocumented), CredentialProblem::UnknownKey);
  EXPECT_EQ(problem(issued.access_key_id, issued.session_token, kDocumented + Seconds(60)),
            CredentialProblem::Expired);
  for (size_t i = 0; i < issued.session_token.size(); ++i) {
    std::string token = issued.session_token;
    token[i] = token[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verify.issuer.find(issued.access_key_id, token, kDocumented)) << i;
  }
}

std::string random_text(std::mt19937& random, size_t longest) {
  static const std::vector<std::string> kPieces = {"a", "Z", "0", "-", ".", "_",  "~",  "/",   "//",
                                                   " ", "+", "%", "&", "=", "?",  "#",  "日",  "é",
                                                   "'", "*", "(", ":", "@", "..", "\"", "\x7f"};
  std::string out;
  for (size_t i = random() % (longest + 1); i > 0; --i) out += kPieces[random() % kPieces.size()];
  return out;
}

TEST(Signature, TakesWhatOurSignerSigns) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  const Verifier verify;
  for (int i = 0; i < 500; ++i) {
    const bool s3 = random() % 2 == 0;
    const Timestamp now = kDocumented + Seconds(random() % 1'000'000'000);
    HttpRequest request;
    request.method = s3 ? "PUT" : "POST";
    request.url = "http://127.0.0.1:4566/";
    if (s3) {
      request.url += noroshi::percent_encode(random_text(random, 12), true);
      if (random() % 2 == 0) {
        QueryParameters query = {{"uploads", ""},
                                 {random_text(random, 3) + "k", random_text(random, 4)}};
        request.url += "?" + encode_query(query);
      }
      request.headers.add("x-amz-meta-text", "  two  spaces " + std::to_string(i));
    } else {
      request.headers.add("X-Amz-Target", "Logs_20140328.PutLogEvents");
    }
    const std::string body = random_text(random, 20);
    const std::string body_hash = hex(hash(HashAlgorithm::Sha256, body));
    Credentials credentials{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
    if (random() % 2 == 0) {
      const auto issued = verify.issuer.issue("arn:aws:sts::1:assumed-role/r/s", now + Seconds(60));
      credentials.access_key_id = issued.access_key_id;
      credentials.secret_access_key = issued.secret_access_key;
      credentials.session_token = issued.session_token;
    }
    SigV4Signer signer(s3 ? "s3" : "logs", "eu-west-1");
    ASSERT_TRUE(signer.sign(request, credentials, now, body_hash));
    ServerRequest head{.method = request.method};
    head.target = request.url.substr(request.url.find('/', 7));
    for (const auto& [name, value] : request.headers) head.headers.push_back({name, value});
    const Service service = s3 ? Service::S3 : Service::Logs;
    EXPECT_EQ(verify(head, service, body_hash, now).code, "") << request.url;
    EXPECT_EQ(verify(head, service, hex(hash(HashAlgorithm::Sha256, body + "x")), now).code,
              s3 ? "SignatureDoesNotMatch" : "InvalidSignatureException");
  }
}

}  // namespace
}  // namespace noroshi::localaws
