// Times and the clock that code under test can replace.
//
// Timestamp: wall-clock time of a record, nanoseconds since 1970 UTC, signed (years 1677 to 2262).
// Monotonic: for deadlines and waits; unaffected by clock steps.
#pragma once

#include <chrono>

namespace noroshi {

using Nanoseconds = std::chrono::nanoseconds;
using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;
using Timestamp = std::chrono::sys_time<std::chrono::nanoseconds>;
using Monotonic = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

// Thread-safe. The real clock is system_clock(); tests pass their own.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Timestamp wall() const = 0;
  [[nodiscard]] virtual Monotonic monotonic() const = 0;
};

[[nodiscard]] const Clock& system_clock();

// Moves only when told to. Not thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp wall = Timestamp{}) : wall_(wall) {}
  [[nodiscard]] Timestamp wall() const override { return wall_; }
  [[nodiscard]] Monotonic monotonic() const override { return monotonic_; }
  void advance(Nanoseconds by) { wall_ += by, monotonic_ += by; }
  void step_wall(Nanoseconds by) { wall_ += by; }

 private:
  Timestamp wall_;
  Monotonic monotonic_{};
};

}  // namespace noroshi
