// The router's own log, on stderr, in the shape Fluent Bit's users know and their tools parse:
//   [2026/11/23 02:53:00.123] [ info] [output:s3] 12 records delivered
//
//   log_warn("input:forward", "connection {} closed: {}", peer, reason);
//
// Thread-safe. A line costs one write(2). Repeated messages are the caller's to limit (LogEpisode).
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <string_view>

#include "base/clock.h"

namespace noroshi {

enum class LogLevel { Trace, Debug, Info, Warn, Error, Off };

void set_log_level(LogLevel level);
[[nodiscard]] LogLevel log_level();
// error, warn, warning, info, debug, trace, off (any case); false if it is none of them.
[[nodiscard]] bool parse_log_level(std::string_view text, LogLevel& level);
// Sends the log to a file (appended) as Fluent Bit's Log_File does; false if it cannot be opened.
[[nodiscard]] bool set_log_file(const char* path);

void write_log_line(LogLevel level, std::string_view component, std::string_view message);

template <typename... Arguments>
void log_at(LogLevel level, std::string_view component, fmt::format_string<Arguments...> format,
            Arguments&&... arguments) {
  if (level < log_level()) return;
  write_log_line(level, component, fmt::format(format, std::forward<Arguments>(arguments)...));
}

#define NOROSHI_LOG_FUNCTION(name, level)                                        \
  template <typename... Arguments>                                               \
  void name(std::string_view component, fmt::format_string<Arguments...> format, \
            Arguments&&... arguments) {                                          \
    log_at(level, component, format, std::forward<Arguments>(arguments)...);     \
  }
NOROSHI_LOG_FUNCTION(log_debug, LogLevel::Debug)
NOROSHI_LOG_FUNCTION(log_info, LogLevel::Info)
NOROSHI_LOG_FUNCTION(log_warn, LogLevel::Warn)
NOROSHI_LOG_FUNCTION(log_error, LogLevel::Error)
#undef NOROSHI_LOG_FUNCTION

// Limits a repeating message to one line at the start of an episode and then one per interval with
// the number that was held back: `if (auto n = episode.admit()) log_warn(c, "… ({} times)", *n);`.
// Thread-safe.
class LogEpisode {
 public:
  explicit LogEpisode(Seconds interval = Seconds(60)) : interval_(interval) {}
  // How many occurrences to report now (1 for the first), or 0: stay silent.
  [[nodiscard]] uint64_t admit();

 private:
  Nanoseconds interval_;
  std::atomic<int64_t> next_ns_{0};
  std::atomic<uint64_t> held_{0};
};

}  // namespace noroshi
