#include "aws/s3_object.h"

#include <algorithm>
#include <thread>

#include "aws/region.h"
#include "base/log.h"

namespace noroshi {
namespace {

constexpr Nanoseconds kFirstPause = Milliseconds(200);
constexpr Nanoseconds kLongestPause = Seconds(5);
// eu-west-1's old buckets answer with a redirect, and once more after it: two moves are enough.
constexpr int kMovesMax = 2;

ErrorCode code_of(const AwsFault& fault) {
  switch (fault.kind) {
    case AwsFaultKind::NotFound:
      return ErrorCode::NotFound;
    case AwsFaultKind::Auth:
    case AwsFaultKind::Expired:
    case AwsFaultKind::ClockSkew:
      return ErrorCode::Denied;
    case AwsFaultKind::Transient:
    case AwsFaultKind::Throttled:
      return ErrorCode::Unavailable;
    case AwsFaultKind::Redirect:
    case AwsFaultKind::Permanent:
      return ErrorCode::InvalidArgument;
  }
  return ErrorCode::InvalidArgument;
}

class Reader {
 public:
  Reader(const S3Address& address, size_t bytes_max, const AwsEnvironment& environment)
      : address_(address), bytes_max_(bytes_max), environment_(environment) {}

  Status open() {
    NOROSHI_ASSIGN(client_, make_aws_client(kS3, {}, environment_));
    return move_to(client_->region());
  }

  Result<std::string> attempt(Monotonic deadline) {
    for (int moves = 0;; ++moves) {
      AwsRequest request;
      request.method = "GET";
      request.path = prefix_ + "/" + address_.key;
      request.response_bytes_max = bytes_max_;
      NOROSHI_ASSIGN(AwsAnswer answer, client_->call(request, deadline));
      if (answer.ok() && answer.response.body_cut) {
        return fail(ErrorCode::Exhausted,
                    "it is larger than " + std::to_string(bytes_max_) + " bytes");
      }
      if (answer.ok()) return std::move(answer.response.body);
      const std::string region(answer.response.headers.get("x-amz-bucket-region"));
      if (answer.fault->kind == AwsFaultKind::Redirect && moves < kMovesMax &&
          is_region_name(region) && region != client_->region()) {
        NOROSHI_TRY(move_to(region));
        continue;
      }
      return fail(code_of(*answer.fault), answer.fault->describe());
    }
  }

 private:
  Status move_to(const std::string& region) {
    NOROSHI_ASSIGN(Endpoint endpoint, resolve_endpoint(kS3, {.region = region}, environment_));
    BucketAddress bucket = bucket_address(endpoint, address_.bucket);
    prefix_ = std::move(bucket.prefix);
    client_->move_to(region, Endpoint{std::move(bucket.url), endpoint.custom});
    return {};
  }

  const S3Address& address_;
  size_t bytes_max_;
  const AwsEnvironment& environment_;
  std::unique_ptr<AwsClient> client_;
  std::string prefix_;
};

}  // namespace

Result<S3Address> parse_s3_address(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with("s3://")) {
    rest.remove_prefix(5);
  } else if (const size_t resource = rest.find(":s3:::");
             rest.starts_with("arn:") && resource != rest.npos &&
             rest.substr(4, resource - 4).find(':') == rest.npos) {
    rest.remove_prefix(resource + 6);
  } else {
    rest = {};
  }
  const size_t slash = rest.find('/');
  if (slash == rest.npos || slash == 0 || slash + 1 == rest.size()) {
    return fail(ErrorCode::InvalidArgument,
                "\"" + std::string(text) +
                    "\" is no object of S3: write arn:aws:s3:::bucket/key or s3://bucket/key");
  }
  return S3Address{std::string(rest.substr(0, slash)), std::string(rest.substr(slash + 1))};
}

Result<std::string> read_s3_object(const S3Address& address, size_t bytes_max,
                                   const AwsEnvironment& environment, Monotonic deadline) {
  const std::string name = address.to_string();
  Reader reader(address, bytes_max, environment);
  if (Status opened = reader.open(); !opened)
    return std::unexpected(std::move(opened.error()).with_context(name));
  for (Nanoseconds pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    Result<std::string> text = reader.attempt(deadline);
    if (text) return text;
    const ErrorCode code = text.error().code;
    const bool may_pass = code == ErrorCode::Unavailable || code == ErrorCode::Timeout;
    if (!may_pass || system_clock().monotonic() + pause >= deadline)
      return std::unexpected(std::move(text.error()).with_context(name));
    log_warn("config", "{}: {}; trying again", name, text.error().message);
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace noroshi
