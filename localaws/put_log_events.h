// PutLogEvents: the limits of a batch and which of its events are taken. Apart from the service, so
// that each rule is tested by itself.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "localaws/aws_error.h"
#include "localaws/logs_file.h"

namespace noroshi::localaws {

// rejectedLogEventsInfo; the taken events are [first_taken, end_taken).
struct Acceptance {
  size_t first_taken = 0, end_taken = 0;
  std::optional<size_t> too_old_end;    // exclusive
  std::optional<size_t> expired_end;    // exclusive
  std::optional<size_t> too_new_start;  // inclusive
};

// Count, sizes, order: what is refused whatever the time is. InvalidParameterException.
[[nodiscard]] Answer<void> check_batch(const std::vector<LogEventView>& events);
// Decides by time, and refuses a span of the valid ones over 24 hours. `retention_days` 0: none.
[[nodiscard]] Answer<Acceptance> accept_events(const std::vector<LogEventView>& events,
                                               int64_t now_ms, int retention_days);

}  // namespace noroshi::localaws
