// What an answer that is not a success means.
//
// Codes and their classes: botocore/retries/standard.py, AWS General Reference "Common errors", and
// the S3 and CloudWatch Logs API references (see error.cc).
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/http_client.h"

namespace noroshi {

enum class AwsFaultKind {
  Transient,  // 5xx, RequestTimeout, conflict in progress: the same request may work soon
  Throttled,  // slow down
  Auth,       // credentials or permissions: may be repaired from outside
  Expired,    // the credentials have expired or are not known: new ones may work
  ClockSkew,  // our clock is off
  Redirect,   // S3: another region or host
  NotFound,   // group, stream, bucket, upload …: `code` says which
  Permanent,  // the request itself is wrong: repeating it will not help
};
[[nodiscard]] std::string_view to_string(AwsFaultKind kind);

struct AwsFault {
  AwsFaultKind kind = AwsFaultKind::Permanent;
  std::string code = {};  // "ThrottlingException", "NoSuchBucket"; "HTTP 502" if the body is mute
  std::string message = {};  // the service's own words, 500 bytes at most
  std::string request_id = {};
  int status = 0;
  std::optional<Nanoseconds> retry_after = {};  // Retry-After, x-amz-retry-after; 5 minutes at most

  // "ThrottlingException (HTTP 400): Rate exceeded [request id …]"
  [[nodiscard]] std::string describe() const;
};

// Reads JSON 1.1 (`__type`, x-amzn-ErrorType) and XML (<Error><Code>) bodies.
// nullopt: a success. A 200 whose XML body is an <Error> (CompleteMultipartUpload) is a fault.
[[nodiscard]] std::optional<AwsFault> aws_fault(const HttpResponse& response);

// By code and status alone; `code` without namespace or URI.
[[nodiscard]] AwsFaultKind classify_aws_error(int status, std::string_view code);

// How far the services' clock is ahead of ours. Thread-safe; shared by all clients of the process.
class ClockSkew {
 public:
  [[nodiscard]] Nanoseconds offset() const {
    return Nanoseconds(offset_ns_.load(std::memory_order_relaxed));
  }
  void set(Nanoseconds offset) { offset_ns_.store(offset.count(), std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> offset_ns_{0};
};

// "Mon, 23 Nov 2026 02:53:00 GMT" (IMF-fixdate); nullopt for anything else.
[[nodiscard]] std::optional<Timestamp> parse_http_date(std::string_view text);
// "2026-11-23T02:53:00Z", with optional fraction and offset; nullopt for anything else.
[[nodiscard]] std::optional<Timestamp> parse_iso8601(std::string_view text);

}  // namespace noroshi
