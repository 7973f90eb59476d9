#include "output/request/http_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "aws/error.h"

namespace noroshi {
namespace {

// The beginning of what a stranger wrote, as one line without control characters: it goes into our
// log, and from there to somebody's terminal.
std::string excerpt_of(std::string_view text) {
  std::string excerpt(text.substr(0, kAnswerExcerptBytes));
  for (char& c : excerpt) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return excerpt;
}

}  // namespace

std::string describe_answer(const HttpResponse& response) {
  if (response.body.empty()) return fmt::format("HTTP {}", response.status);
  return fmt::format("HTTP {}: {}", response.status, excerpt_of(response.body));
}

std::optional<Nanoseconds> retry_after_of(const HttpResponse& response, Timestamp now) {
  const auto header = response.headers.find("Retry-After");
  if (!header || header->empty()) return std::nullopt;
  int64_t seconds = 0;
  const char* end = header->data() + header->size();
  if (const auto [stop, error] = std::from_chars(header->data(), end, seconds);
      error == std::errc() && stop == end && seconds >= 0) {
    return std::min<Nanoseconds>(Seconds(std::min<int64_t>(seconds, 3600)), kRetryAfterMax);
  }
  if (const auto date = parse_http_date(*header)) {
    return std::clamp<Nanoseconds>(*date - now, Nanoseconds(0), kRetryAfterMax);
  }
  return std::nullopt;
}

RequestAnswer classify_http_answer(const HttpResponse& response, Timestamp now) {
  if (response.ok()) return RequestAnswer::answered();
  const int status = response.status;
  RequestAnswer answer = RequestAnswer::retry(RetryClass::Transient, describe_answer(response));
  if (status == 413) {
    answer.kind = RequestAnswer::Kind::TooLarge;
  } else if (status == 429) {
    answer.retry_class = RetryClass::Throttled;
  } else if (status == 401 || status == 403 || status == 404 || status == 405 || status == 407) {
    answer.retry_class = RetryClass::Auth;
  } else if (status >= 300 && status < 400) {
    answer.retry_class = RetryClass::Auth;
    if (const auto location = response.headers.find("Location")) {
      answer.reason = fmt::format("HTTP {}: redirected to {}; set that as the destination", status,
                                  excerpt_of(*location));
    }
  } else if (status >= 400 && status < 500 && status != 408) {
    answer.kind = RequestAnswer::Kind::Rejected;
  }
  answer.retry_after = retry_after_of(response, now);
  return answer;
}

RetryClass retry_class_of(const Error& error) {
  const bool outside = error.code == ErrorCode::Denied ||
                       error.code == ErrorCode::InvalidArgument ||
                       error.code == ErrorCode::NotFound;
  return outside ? RetryClass::Auth : RetryClass::Transient;
}

RequestAnswer classify_http_error(const Error& error) {
  return RequestAnswer::retry(retry_class_of(error), error.message);
}

}  // namespace noroshi
