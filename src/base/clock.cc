#include "base/clock.h"

namespace noroshi {
namespace {

class SystemClock final : public Clock {
 public:
  Timestamp wall() const override {
    return std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now());
  }
  Monotonic monotonic() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace noroshi
