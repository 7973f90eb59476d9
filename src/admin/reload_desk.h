// ReloadDesk: where the HTTP API (admin thread) asks for a reload and the main thread, which alone
// may build a pipeline, answers. One at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"

namespace noroshi {

struct ReloadResult {
  enum class Outcome {
    Done,
    NotEnabled,  // neither hot_reload nor -Y
    InProgress,  // another one is
    Refused,     // the configuration is wrong: the old one runs on
  };
  Outcome outcome = Outcome::Done;
  std::string diagnostics = {};  // of the configuration, as the log has them
};

class ReloadDesk {
 public:
  // `wake` makes the main thread look at wanted().
  explicit ReloadDesk(std::function<void()> wake) : wake_(std::move(wake)) {}

  // Admin thread: waits for the answer. InProgress if there is none within `patience`.
  [[nodiscard]] ReloadResult ask(Nanoseconds patience);

  // Main thread.
  [[nodiscard]] bool wanted() const;
  void answer(ReloadResult result);

 private:
  const std::function<void()> wake_;
  mutable Mutex mutex_;
  ConditionVariable answered_;
  bool wanted_ GUARDED_BY(mutex_) = false;
  std::optional<ReloadResult> result_ GUARDED_BY(mutex_);
};

}  // namespace noroshi
