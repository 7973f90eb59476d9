// BackgroundValue: what a filter must ask the network for (the task's or the instance's metadata).
// A thread of its own asks, so that ingest never waits for an answer.
//
//   BackgroundValue<TaskMetadata> task("filter:ecs", "the task's metadata", fetch, {});
//   task.start();                                        // from the first chunk on
//   if (const auto metadata = task.value()) …            // null: not known yet
//
// The thread asks every half second while settled() is false, then in `retry_interval`, until there
// is a value; after that only where refresh() wants a newer one, at most every 10 s. A destroyed
// BackgroundValue ends a request that is under way. `fetch` runs on the thread only.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/thread_deadline.h"
#include "base/thread_name.h"

namespace noroshi {

template <typename T>
class BackgroundValue {
 public:
  using Fetch = std::function<Result<T>(Monotonic deadline)>;
  struct Times {
    Nanoseconds patience = Seconds(3);  // from start() on: settled() waits so long for a value
    Nanoseconds quick_retry = Milliseconds(500);
    Nanoseconds retry_interval = Seconds(300);
    Nanoseconds refresh_spacing = Seconds(10);
    Nanoseconds attempt = Seconds(10);  // one call of fetch
  };

  BackgroundValue(std::string component, std::string what, Fetch fetch, Times times)
      : component_(std::move(component)),
        what_(std::move(what)),
        fetch_(std::move(fetch)),
        times_(times) {}
  BackgroundValue(const BackgroundValue&) = delete;
  BackgroundValue& operator=(const BackgroundValue&) = delete;
  ~BackgroundValue() {
    deadline_ns_ = 0;
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  // The first call begins to ask. One thread calls this.
  void start() {
    if (thread_.joinable()) return;
    patience_ends_ = system_clock().monotonic() + times_.patience;
    thread_ = std::thread([this] { run(); });
  }
  // True: there is a value, or waiting for one any longer is not worth it.
  [[nodiscard]] bool settled() const {
    return value() != nullptr || system_clock().monotonic() >= patience_ends_;
  }
  [[nodiscard]] std::shared_ptr<const T> value() const {
    const MutexLock lock(mutex_);
    return value_;
  }
  void refresh() {
    {
      const MutexLock lock(mutex_);
      wanted_ = true;
    }
    changed_.notify_all();
  }

 private:
  void run() {
    name_this_thread(component_);
    const ThreadDeadline scope(deadline_ns_);
    bool had_failed = false;
    while (true) {
      Result<T> got = fetch_(system_clock().monotonic() + times_.attempt);
      const Monotonic now = system_clock().monotonic();
      if (got) {
        if (had_failed) log_info(component_, "{}: there at last", what_);
        had_failed = false;
      } else if (stopping()) {
        return;
      } else if (now >= patience_ends_) {
        log_warn(component_, "{}: {}; records go on without it", what_, got.error().message);
        had_failed = true;
      }
      if (!wait_for_next(now, std::move(got))) return;
    }
  }

  bool stopping() const {
    const MutexLock lock(mutex_);
    return stopping_;
  }

  // False: the end.
  bool wait_for_next(Monotonic now, Result<T> got) {
    const MutexLock lock(mutex_);
    if (got) {
      value_ = std::make_shared<const T>(*std::move(got));
      wanted_ = false;
    }
    Monotonic next = now + times_.refresh_spacing;
    if (!value_) next = now + (now < patience_ends_ ? times_.quick_retry : times_.retry_interval);
    while (!stopping_ && (system_clock().monotonic() < next || (value_ && !wanted_))) {
      if (value_ && !wanted_) {
        changed_.wait(mutex_);
      } else {
        changed_.wait_until(mutex_, next);
      }
    }
    return !stopping_;
  }

  const std::string component_, what_;
  const Fetch fetch_;
  const Times times_;
  Monotonic patience_ends_ = Monotonic::max();  // constant once the thread runs
  std::atomic<int64_t> deadline_ns_{INT64_MAX};
  mutable Mutex mutex_;
  ConditionVariable changed_;
  std::shared_ptr<const T> value_ GUARDED_BY(mutex_);
  bool wanted_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace noroshi
