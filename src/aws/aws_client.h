// AwsClient: signs a request, sends it, and reads the answer. One service, one region, one thread.
//
//   NOROSHI_ASSIGN(auto client, make_aws_client(kCloudWatchLogs, settings));
//   AwsRequest request;
//   request.headers.set("Content-Type", "application/x-amz-json-1.1");
//   request.headers.set("X-Amz-Target", "Logs_20140328.PutLogEvents");
//   request.body = json;
//   Result<AwsAnswer> answer = client->call(request, deadline);
//
// It repeats a request at most once, and only for what it can repair itself: a skewed clock (from
// the answer's Date) and expired credentials (after a refresh). Every other retry is the delivery
// loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "aws/error.h"
#include "aws/sigv4.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/http_client.h"
#include "http/url.h"

namespace noroshi {

struct AwsRequest {
  std::string method = "POST";
  std::string path = "/";  // raw; encoded by the client, appended to the endpoint's path prefix
  QueryParameters query = {};
  HttpHeaders headers = {};
  std::string_view body = {};             // borrowed until call() returns
  std::optional<HttpFileBody> file = {};  // instead of `body`; needs payload_hash
  std::string payload_hash = {};          // empty: computed from `body`
  bool expect_continue = false;
  size_t response_bytes_max = 1 << 20;
};

struct AwsAnswer {
  HttpResponse response = {};
  std::optional<AwsFault> fault = {};  // set unless the service said yes
  [[nodiscard]] bool ok() const { return !fault.has_value(); }
};

class AwsClient {
 public:
  // `clock` is borrowed; `skew` may be null: then the clock is never corrected.
  AwsClient(const AwsService& service, std::string region, Endpoint endpoint,
            std::shared_ptr<CredentialsProvider> credentials,
            std::unique_ptr<HttpTransport> transport, const Clock& clock = system_clock(),
            std::shared_ptr<ClockSkew> skew = {});

  // Errors: what HttpTransport::send() and CredentialsProvider::get() give. Returns by `deadline`.
  [[nodiscard]] Result<AwsAnswer> call(const AwsRequest& request, Monotonic deadline);

  [[nodiscard]] const std::string& region() const { return signer_.region(); }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  // After a redirect: another region's endpoint, signed for that region.
  void move_to(std::string region, Endpoint endpoint);
  // Requests sent so far, repeats included.
  [[nodiscard]] uint64_t requests() const { return requests_; }

 private:
  [[nodiscard]] Result<AwsAnswer> attempt(HttpRequest& http, const Credentials& credentials,
                                          std::string_view payload_hash, Monotonic deadline);
  [[nodiscard]] bool correct_skew(const AwsAnswer& answer);

  SigV4Signer signer_;
  Endpoint endpoint_;
  std::shared_ptr<CredentialsProvider> credentials_;
  std::unique_ptr<HttpTransport> transport_;
  const Clock* clock_;
  std::shared_ptr<ClockSkew> skew_;
  uint64_t requests_ = 0;
};

// The options every AWS output shares, by their Fluent Bit names.
struct AwsSettings {
  std::string region = {};
  std::string endpoint = {};
  uint16_t port = 0;
  std::string profile = {};
  std::string role_arn = {};
  std::string external_id = {};
  std::string sts_endpoint = {};
  bool tls = true;
  HttpTransportOptions transport = {};
};

// Resolves region, endpoint and credentials from settings and environment. The region may ask the
// network (see region.h). Errors: InvalidArgument, NotFound (region).
[[nodiscard]] Result<std::unique_ptr<AwsClient>> make_aws_client(
    const AwsService& service, const AwsSettings& settings,
    const AwsEnvironment& environment = aws_process_environment());

}  // namespace noroshi
