#include "config/values.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace noroshi {
namespace {

constexpr size_t kQuotedMax = 60;

std::string quoted(std::string_view text) {
  if (text.size() <= kQuotedMax) return fmt::format("\"{}\"", text);
  return fmt::format("\"{}…\"", text.substr(0, kQuotedMax));
}

// The number at the front of `text` and what follows it, trimmed and in lower case.
struct NumberAndUnit {
  long double number = 0;
  std::string unit;
};

// Digits with at most one point: no sign, no exponent ("1e3k" is more likely a mistake than a
// wish).
std::expected<NumberAndUnit, std::string_view> split_number(std::string_view text) {
  size_t end = 0;
  bool point = false, digit = false;
  while (end < text.size() &&
         ((text[end] >= '0' && text[end] <= '9') || (text[end] == '.' && !point))) {
    (text[end] == '.' ? point : digit) = true;
    ++end;
  }
  if (!digit) return std::unexpected(std::string_view("a number is missing"));
  NumberAndUnit result;
  long double scale = 1;
  bool fraction = false;
  for (const char c : text.substr(0, end)) {
    if (c == '.') {
      fraction = true;
    } else if (fraction) {
      scale /= 10;
      result.number += scale * (c - '0');
    } else {
      result.number = result.number * 10 + (c - '0');
    }
  }
  result.unit = to_lower(trim(text.substr(end)));
  return result;
}

template <size_t Size>
const long double* unit_factor(
    const std::array<std::pair<std::string_view, long double>, Size>& units,
    std::string_view unit) {
  for (const auto& [name, factor] : units) {
    if (name == unit) return &factor;
  }
  return nullptr;
}

constexpr std::array<std::pair<std::string_view, long double>, 12> kSizeUnits{{
    {"", 1},
    {"b", 1},
    {"k", 1e3L},
    {"kb", 1e3L},
    {"m", 1e6L},
    {"mb", 1e6L},
    {"g", 1e9L},
    {"gb", 1e9L},
    {"kib", 1024.0L},
    {"mib", 1048576.0L},
    {"gib", 1073741824.0L},
    {"bytes", 1},
}};

constexpr std::array<std::pair<std::string_view, long double>, 21> kTimeUnits{{
    {"", 1e9L},         {"ns", 1},          {"us", 1e3L},    {"ms", 1e6L},
    {"s", 1e9L},        {"sec", 1e9L},      {"secs", 1e9L},  {"second", 1e9L},
    {"seconds", 1e9L},  {"m", 60e9L},       {"min", 60e9L},  {"mins", 60e9L},
    {"minute", 60e9L},  {"minutes", 60e9L}, {"h", 3600e9L},  {"hr", 3600e9L},
    {"hour", 3600e9L},  {"hours", 3600e9L}, {"d", 86400e9L}, {"day", 86400e9L},
    {"days", 86400e9L},
}};

}  // namespace

std::string to_lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

Result<ByteSize> parse_byte_size(std::string_view text) {
  text = trim(text);
  const std::string word = to_lower(text);
  if (word == "false" || word == "off") return ByteSize{0};
  const auto split = split_number(text);
  const long double* factor = split ? unit_factor(kSizeUnits, split->unit) : nullptr;
  if (factor == nullptr) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("{} is not a size: write a number and K, M, G (decimal) or KiB, MiB, GiB, "
                    "such as 100M",
                    quoted(text)));
  }
  const long double bytes = std::round(split->number * *factor);
  // 2^63: what fits every integer a size is ever converted to.
  if (!(bytes < 9223372036854775808.0L)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} is larger than any size", quoted(text)));
  }
  return ByteSize{static_cast<uint64_t>(bytes)};
}

Result<Nanoseconds> parse_duration(std::string_view text) {
  text = trim(text);
  const auto split = split_number(text);
  const long double* factor = split ? unit_factor(kTimeUnits, split->unit) : nullptr;
  if (factor == nullptr) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} is not a time: write a number and ms, s, m, h or d, such as 10m "
                            "(a number alone is seconds)",
                            quoted(text)));
  }
  const long double nanoseconds = std::round(split->number * *factor);
  if (!(nanoseconds < 9223372036854775808.0L)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} is longer than the longest time, 292 years", quoted(text)));
  }
  return Nanoseconds(static_cast<int64_t>(nanoseconds));
}

Result<bool> parse_boolean(std::string_view text) {
  const std::string word = to_lower(trim(text));
  if (word == "true" || word == "on" || word == "yes" || word == "1") return true;
  if (word == "false" || word == "off" || word == "no" || word == "0") return false;
  return fail(ErrorCode::InvalidArgument,
              fmt::format("{} is neither true (on, yes) nor false (off, no)", quoted(trim(text))));
}

Result<int64_t> parse_integer(std::string_view text) {
  text = trim(text);
  std::string_view digits = text;
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} does not fit 64 bits", quoted(text)));
  }
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} is not a whole number", quoted(text)));
  }
  return value;
}

Result<double> parse_double(std::string_view text) {
  text = trim(text);
  std::string_view digits = text;
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size() || !std::isfinite(value)) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} is not a number", quoted(text)));
  }
  return value;
}

Result<RetryLimit> parse_retry_limit(std::string_view text) {
  text = trim(text);
  const std::string word = to_lower(text);
  if (word == "no_limits" || word == "false" || word == "off") return RetryLimit{};
  if (word == "no_retries") return RetryLimit{RetryLimit::Kind::None, 0};
  const Result<int64_t> number = parse_integer(text);
  if (!number || *number == 0) {
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("{} is not a retry limit: write no_limits, no_retries or a number from 1",
                    quoted(text)));
  }
  if (*number < 0) return RetryLimit{};
  return RetryLimit{RetryLimit::Kind::Count, *number};
}

std::string to_string(ByteSize size) {
  constexpr std::array<std::pair<uint64_t, std::string_view>, 6> kUnits{{
      {1'000'000'000, "G"},
      {1'000'000, "M"},
      {1'000, "K"},
      {1ull << 30, "GiB"},
      {1ull << 20, "MiB"},
      {1ull << 10, "KiB"},
  }};
  std::string best = fmt::format("{}", size.bytes);
  if (size.bytes == 0) return best;
  for (const auto& [factor, unit] : kUnits) {
    if (size.bytes % factor != 0) continue;
    std::string candidate = fmt::format("{}{}", size.bytes / factor, unit);
    if (candidate.size() <= best.size()) best = std::move(candidate);
  }
  return best;
}

std::string duration_to_string(Nanoseconds duration) {
  constexpr std::array<std::pair<int64_t, std::string_view>, 7> kUnits{{
      {86'400'000'000'000, "d"},
      {3'600'000'000'000, "h"},
      {60'000'000'000, "m"},
      {1'000'000'000, "s"},
      {1'000'000, "ms"},
      {1'000, "us"},
      {1, "ns"},
  }};
  const int64_t count = duration.count();
  if (count == 0) return "0s";
  for (const auto& [factor, unit] : kUnits) {
    if (count % factor == 0) return fmt::format("{}{}", count / factor, unit);
  }
  return {};
}

std::string to_string(const RetryLimit& limit) {
  switch (limit.kind) {
    case RetryLimit::Kind::Unlimited:
      return "no_limits";
    case RetryLimit::Kind::None:
      return "no_retries";
    case RetryLimit::Kind::Count:
      break;
  }
  return fmt::format("{}", limit.count);
}

}  // namespace noroshi
