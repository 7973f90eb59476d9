#include "localaws/put_log_events.h"

#include <fmt/format.h>

#include <algorithm>

#include "localaws/json_reader.h"
#include "localaws/logs_service.h"

namespace noroshi::localaws {

Answer<void> check_batch(const std::vector<LogEventView>& events) {
  if (events.empty()) {
    return invalid_parameter(
        "1 validation error detected: Value '[]' at 'logEvents' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1");
  }
  if (events.size() > kPutEventsMax) {
    return invalid_parameter(
        fmt::format("1 validation error detected: Value of {} events at 'logEvents' failed to "
                    "satisfy constraint: Member must have length less than or equal to {}",
                    events.size(), kPutEventsMax));
  }
  size_t total = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    const LogEventView& event = events[i];
    if (event.message.empty()) {
      return invalid_parameter(
          fmt::format("1 validation error detected: Value '' at 'logEvents.{}.member.message' "
                      "failed to satisfy "
                      "constraint: Member must have length greater than or equal to 1",
                      i + 1));
    }
    if (event.timestamp < 0) {
      return invalid_parameter(fmt::format(
          "1 validation error detected: Value '{}' at 'logEvents.{}.member.timestamp' failed to "
          "satisfy constraint: Member must have value greater than or equal to 0",
          event.timestamp, i + 1));
    }
    const size_t bytes = event.message.size() + kEventOverhead;
    if (bytes > kPutBytesMax) {
      return invalid_parameter(
          fmt::format("Log event too large: {} bytes exceeds limit of {}", bytes, kPutBytesMax));
    }
    total += bytes;
  }
  if (total > kPutBytesMax) {
    return invalid_parameter(
        fmt::format("Upload too large: {} bytes exceeds limit of {}", total, kPutBytesMax));
  }
  if (!std::ranges::is_sorted(events, {}, &LogEventView::timestamp)) {
    return invalid_parameter(
        "Log events in a single PutLogEvents request must be in chronological order.");
  }
  return {};
}

Answer<Acceptance> accept_events(const std::vector<LogEventView>& events, int64_t now_ms,
                                 int retention_days) {
  const auto before = [&](int64_t time) {
    return static_cast<size_t>(
        std::ranges::lower_bound(events, time, {}, &LogEventView::timestamp) - events.begin());
  };
  Acceptance out;
  const size_t too_old = before(now_ms - kTooOld);
  const size_t expired =
      retention_days > 0 ? before(now_ms - retention_days * 24 * kMillisPerHour) : 0;
  const size_t too_new = before(now_ms + kTooNew + 1);
  if (too_old > 0) out.too_old_end = too_old;
  if (expired > 0) out.expired_end = expired;
  if (too_new < events.size()) out.too_new_start = too_new;
  out.first_taken = std::max(too_old, expired);
  out.end_taken = std::max(out.first_taken, too_new);
  if (out.first_taken < out.end_taken &&
      events[out.end_taken - 1].timestamp - events[out.first_taken].timestamp > kPutSpanMax) {
    return invalid_parameter(
        "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.");
  }
  return out;
}

}  // namespace noroshi::localaws
