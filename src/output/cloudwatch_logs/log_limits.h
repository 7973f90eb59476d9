// The limits of PutLogEvents (API reference, "PutLogEvents" and "CloudWatch Logs quotas", 2026-08).
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace noroshi::log_limits {

// Of one request: the UTF-8 bytes of every message (as decoded, not as escaped on the wire) plus
// kOverheadBytes for each record.
inline constexpr uint32_t kRequestBytesMax = 1'048'576;
inline constexpr uint32_t kOverheadBytes = 26;
inline constexpr uint32_t kRequestRecordsMax = 10'000;
// From the oldest to the newest record of one request. Records the service refuses by their age
// alone (kAgeMax, kAheadMax) do not count.
inline constexpr Nanoseconds kRequestSpanMax = std::chrono::hours(24);
inline constexpr Nanoseconds kAgeMax = std::chrono::hours(24 * 14);
inline constexpr Nanoseconds kAheadMax = std::chrono::hours(2);

// Of one record, overhead included. The quota is 1,048,576 ("1,024 KB"); messages up to 1,048,546
// bytes have been seen accepted, so this keeps a small distance. Partitions that lag behind take
// 262,144.
inline constexpr uint32_t kRecordBytesMaxDefault = 1'048'550;
inline constexpr uint32_t kRecordBytesMaxSmallest = 1'024;

// Characters of a group or stream name. Counted in bytes here, which is never more than allowed.
inline constexpr uint32_t kNameBytesMax = 512;

// Requests per second and stream at most: ten.
inline constexpr Nanoseconds kRequestInterval = Milliseconds(100);

}  // namespace noroshi::log_limits
