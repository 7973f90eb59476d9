#include "base/log.h"

#include <fcntl.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <string>

#include "base/log_levels.h"
#include "base/mutex.h"
#include "base/secrets.h"

namespace noroshi {
namespace {

using ComponentLevels = std::map<std::string, LogLevel, std::less<>>;

std::atomic<LogLevel> common_level{LogLevel::Info};
// The most talkative level in effect anywhere: what callers look at before they format a line.
std::atomic<LogLevel> current_level{LogLevel::Info};
Mutex levels_mutex;
std::shared_ptr<const ComponentLevels> component_levels GUARDED_BY(levels_mutex);
std::atomic<bool> has_component_levels{false};
std::array<std::atomic<uint64_t>, static_cast<size_t>(LogLevel::Off)> lines_written{};
std::atomic<int> log_fd{STDERR_FILENO};

// Padded to five characters, as Fluent Bit prints them.
constexpr std::string_view kLevelNames[] = {"trace", "debug", " info", " warn", "error"};

void update_current_level() REQUIRES(levels_mutex) {
  LogLevel lowest = common_level.load();
  if (component_levels) {
    for (const auto& [component, level] : *component_levels) lowest = std::min(lowest, level);
  }
  current_level.store(lowest, std::memory_order_relaxed);
}

LogLevel level_of(std::string_view component) {
  if (!has_component_levels.load(std::memory_order_relaxed)) return common_level.load();
  MutexLock lock(levels_mutex);
  const auto found = component_levels->find(component);
  return found == component_levels->end() ? common_level.load() : found->second;
}

}  // namespace

void set_log_level(LogLevel level) {
  MutexLock lock(levels_mutex);
  common_level.store(level);
  update_current_level();
}

void set_component_log_levels(ComponentLevels levels) {
  MutexLock lock(levels_mutex);
  const bool any = !levels.empty();
  component_levels = std::make_shared<const ComponentLevels>(std::move(levels));
  has_component_levels.store(any);
  update_current_level();
}

uint64_t log_lines_written(LogLevel level) {
  return level == LogLevel::Off ? 0 : lines_written[static_cast<size_t>(level)].load();
}

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
  const int before = log_fd.load();
  if (before <= STDERR_FILENO) {
    log_fd.store(fd);
  } else {  // again, at a reload: the old number means the new file, also for who writes just now
    ::dup3(fd, before, O_CLOEXEC);
    ::close(fd);
  }
  return true;
}

void write_log_line(LogLevel level, std::string_view component, std::string_view message) {
  if (level >= LogLevel::Off || level < level_of(component)) return;
  lines_written[static_cast<size_t>(level)].fetch_add(1, std::memory_order_relaxed);
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm local{};
  localtime_r(&now.tv_sec, &local);
  const std::string line = without_secrets(fmt::format(
      "[{:04}/{:02}/{:02} {:02}:{:02}:{:02}.{:03}] [{}] [{}] {}\n", local.tm_year + 1900,
      local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
      now.tv_nsec / 1'000'000, kLevelNames[static_cast<size_t>(level)], component, message));
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
