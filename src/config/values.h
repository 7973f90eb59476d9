// Values as Fluent Bit writes them: sizes, times, booleans, numbers, retry limits. Spaces around a
// value are ignored; letters may have any case. A value that does not parse is InvalidArgument with
// a message that says what would: never a silent default (Fluent Bit reads "10MiB" as "no limit").
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace noroshi {

// A number of bytes.
struct ByteSize {
  uint64_t bytes = 0;
  friend constexpr auto operator<=>(ByteSize, ByteSize) = default;
};

// How often an output tries one batch again.
struct RetryLimit {
  enum class Kind { Unlimited, None, Count };
  Kind kind = Kind::Unlimited;
  int64_t count = 0;  // Kind::Count: at least 1
  friend constexpr bool operator==(const RetryLimit&, const RetryLimit&) = default;
};

// "100", "25MB", "1.5k", "64KiB". K, KB, M, MB, G, GB are decimal as in Fluent Bit (25MB =
// 25,000,000 bytes); KiB, MiB, GiB are binary; "false" and "off" are 0.
[[nodiscard]] Result<ByteSize> parse_byte_size(std::string_view text);

// "10m", "1h", "500ms", "1.5s", "2d", and "30" which is 30 seconds. Units: ns us ms s m h d and
// sec, min, hour, day (plural too). Not negative. (Fluent Bit ignores "ms" and reads 500ms as 500
// s.)
[[nodiscard]] Result<Nanoseconds> parse_duration(std::string_view text);

// true on yes 1, false off no 0.
[[nodiscard]] Result<bool> parse_boolean(std::string_view text);

// Decimal, with sign. Nothing may follow the number.
[[nodiscard]] Result<int64_t> parse_integer(std::string_view text);

// Decimal or with exponent, finite.
[[nodiscard]] Result<double> parse_double(std::string_view text);

// no_limits, false, off or a negative number: Unlimited; no_retries: None; n ≥ 1. Zero is an error
// here.
[[nodiscard]] Result<RetryLimit> parse_retry_limit(std::string_view text);

// The shortest of these spellings that reads back to the same value: "100M", "64KiB", "10m",
// "500ms".
[[nodiscard]] std::string to_string(ByteSize size);
[[nodiscard]] std::string duration_to_string(Nanoseconds duration);
[[nodiscard]] std::string to_string(const RetryLimit& limit);

// Lower case of ASCII letters; other bytes stay.
[[nodiscard]] std::string to_lower(std::string_view text);
// Without blanks, tabs and line ends at both ends.
[[nodiscard]] std::string_view trim(std::string_view text);

}  // namespace noroshi
