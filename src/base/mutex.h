// Mutex, MutexLock and ConditionVariable with clang's thread-safety annotations: a member declared
// GUARDED_BY(mutex_) that is touched without the lock is a compile error (-Wthread-safety, clang
// builds).
#pragma once

#include <condition_variable>
#include <mutex>

#include "base/clock.h"

#if defined(__clang__)
#define NOROSHI_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define NOROSHI_THREAD_ANNOTATION(x)
#endif
#define CAPABILITY(x) NOROSHI_THREAD_ANNOTATION(capability(x))
#define SCOPED_CAPABILITY NOROSHI_THREAD_ANNOTATION(scoped_lockable)
#define GUARDED_BY(x) NOROSHI_THREAD_ANNOTATION(guarded_by(x))
#define REQUIRES(...) NOROSHI_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) NOROSHI_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) NOROSHI_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) NOROSHI_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS NOROSHI_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace noroshi {

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }

 private:
  friend class ConditionVariable;
  std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits may wake early: test the condition in a loop, as always.
class ConditionVariable {
 public:
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }
  void wait(Mutex& mutex) REQUIRES(mutex) NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // False once `deadline` has passed.
  bool wait_until(Mutex& mutex, Monotonic deadline) REQUIRES(mutex) NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    const auto status = condition_.wait_until(lock, deadline);
    lock.release();
    return status == std::cv_status::no_timeout;
  }

 private:
  std::condition_variable condition_;
};

}  // namespace noroshi
