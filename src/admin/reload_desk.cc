#include "admin/reload_desk.h"

namespace noroshi {

ReloadResult ReloadDesk::ask(Nanoseconds patience) {
  const Monotonic until = system_clock().monotonic() + patience;
  {
    MutexLock lock(mutex_);
    if (wanted_) return {ReloadResult::Outcome::InProgress, ""};
    wanted_ = true;
    result_.reset();
  }
  wake_();
  MutexLock lock(mutex_);
  while (!result_) {
    if (!answered_.wait_until(mutex_, until) && !result_)
      return {ReloadResult::Outcome::InProgress, ""};
  }
  return *result_;
}

bool ReloadDesk::wanted() const {
  MutexLock lock(mutex_);
  return wanted_;
}

void ReloadDesk::answer(ReloadResult result) {
  MutexLock lock(mutex_);
  if (!wanted_) return;
  wanted_ = false;
  result_ = std::move(result);
  answered_.notify_all();
}

}  // namespace noroshi
