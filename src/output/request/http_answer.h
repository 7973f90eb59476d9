// What an HTTP answer means for the records that were sent: decided here once for all outputs that
// speak plain HTTP.
//
//   2xx                       delivered
//   408, 5xx                  retry; Retry-After is honoured
//   429                       retry, throttled
//   413                       too large: the halves are sent
//   401, 403, 404, 405, 407   the configuration is at fault, not the records: retry slowly
//   3xx                       the same: redirects are not followed
//   any other 4xx             rejected, with the first bytes of the answer as the reason
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "http/http_client.h"
#include "output/request/item_protocol.h"

namespace noroshi {

// Of an answer's body, in reasons and dead letters.
inline constexpr size_t kAnswerExcerptBytes = 200;
// A service's wish to wait longer is cut.
inline constexpr Nanoseconds kRetryAfterMax = std::chrono::minutes(5);

// "HTTP 400: <the first 200 bytes, one line, no control characters>"
[[nodiscard]] std::string describe_answer(const HttpResponse& response);

// Retry-After in seconds or as a date, counted from `now`; nullopt if there is none to understand.
[[nodiscard]] std::optional<Nanoseconds> retry_after_of(const HttpResponse& response,
                                                        Timestamp now);

[[nodiscard]] RequestAnswer classify_http_answer(const HttpResponse& response, Timestamp now);
// For a request that got no answer: Auth if somebody must mend something (certificate, credentials,
// name), else Transient.
[[nodiscard]] RetryClass retry_class_of(const Error& error);
[[nodiscard]] RequestAnswer classify_http_error(const Error& error);

}  // namespace noroshi
