// What CloudWatch Logs answers, as far as a delivery must understand it. The bytes come from the
// network (or a proxy that pretends to be AWS), so every field may be missing, of another type, or
// absurd.
//
// Source: API_PutLogEvents and API_RejectedLogEventsInfo of the CloudWatch Logs API reference.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace noroshi {

// A 200 of PutLogEvents. Indexes count the records of the request as sent. Accepted are
// [max(too_old_end, expired_end), too_new_start).
struct PutLogEventsAnswer {
  uint32_t too_old_end = 0;  // records before this one: older than 14 days
  uint32_t expired_end = 0;  // records before this one: older than the group's retention
  std::optional<uint32_t> too_new_start = {};  // this record and all after it: over 2 hours ahead
  std::string rejected_entity = {};  // rejectedEntityInfo.errorType; the records were still taken
};

// Corrupt unless `body` is one JSON object: a 200 that CloudWatch Logs did not write (captive
// portals, proxies) must not count as delivered. Negative indexes count as 0, too large ones as
// UINT32_MAX.
[[nodiscard]] Result<PutLogEventsAnswer> parse_put_log_events_answer(std::string_view body);

// The expectedSequenceToken of InvalidSequenceTokenException and DataAlreadyAcceptedException,
// which CloudWatch has not sent since 2023 but some imitations still do; nullopt if there is none.
[[nodiscard]] std::optional<std::string> parse_expected_sequence_token(std::string_view body);

}  // namespace noroshi
