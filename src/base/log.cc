#include "base/log.h"

#include <fcntl.h>
#include <strings.h>
#include <unistd.h>

#include <ctime>
#include <string>

namespace noroshi {
namespace {

std::atomic<LogLevel> current_level{LogLevel::Info};
std::atomic<int> log_fd{STDERR_FILENO};

// Padded to five characters, as Fluent Bit prints them.
constexpr std::string_view kLevelNames[] = {"trace", "debug", " info", " warn", "error"};

}  // namespace

void set_log_level(LogLevel level) { current_level.store(level, std::memory_order_relaxed); }
LogLevel log_level() { return current_level.load(std::memory_order_relaxed); }

bool parse_log_level(std::string_view text, LogLevel& level) {
  const std::string name(text);
  const auto is = [&](const char* word) { return strcasecmp(name.c_str(), word) == 0; };
  if (is("trace"))
    level = LogLevel::Trace;
  else if (is("debug"))
    level = LogLevel::Debug;
  else if (is("info"))
    level = LogLevel::Info;
  else if (is("warn") || is("warning"))
    level = LogLevel::Warn;
  else if (is("error"))
    level = LogLevel::Error;
  else if (is("off"))
    level = LogLevel::Off;
  else
    return false;
  return true;
}

bool set_log_file(const char* path) {
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  log_fd.store(fd);
  return true;
}

void write_log_line(LogLevel level, std::string_view component, std::string_view message) {
  if (level < log_level() || level >= LogLevel::Off) return;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm local{};
  localtime_r(&now.tv_sec, &local);
  const std::string line = fmt::format(
      "[{:04}/{:02}/{:02} {:02}:{:02}:{:02}.{:03}] [{}] [{}] {}\n", local.tm_year + 1900,
      local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
      now.tv_nsec / 1'000'000, kLevelNames[static_cast<size_t>(level)], component, message);
  // A log that cannot be written has nowhere to report that to.
  [[maybe_unused]] const ssize_t written = ::write(log_fd.load(), line.data(), line.size());
}

uint64_t LogEpisode::admit() {
  const int64_t now = system_clock().monotonic().time_since_epoch().count();
  int64_t next = next_ns_.load(std::memory_order_relaxed);
  if (now < next || !next_ns_.compare_exchange_strong(next, now + interval_.count())) {
    held_.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  return held_.exchange(0, std::memory_order_relaxed) + 1;
}

}  // namespace noroshi
