// Mutex, SingleWriterMutex, their locks and ConditionVariable with clang's thread-safety
// annotations: a member declared GUARDED_BY(mutex_) that is touched without the lock is a compile
// error (-Werror=thread-safety, clang builds). tests/tidy.py refuses the standard library's own
// elsewhere.
#pragma once

#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "base/check.h"
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
#define REQUIRES_SHARED(...) NOROSHI_THREAD_ANNOTATION(requires_shared_capability(__VA_ARGS__))
#define EXCLUDES(...) NOROSHI_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) NOROSHI_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define ACQUIRE_SHARED(...) NOROSHI_THREAD_ANNOTATION(acquire_shared_capability(__VA_ARGS__))
#define RELEASE(...) NOROSHI_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define RELEASE_SHARED(...) NOROSHI_THREAD_ANNOTATION(release_shared_capability(__VA_ARGS__))
#define ASSERT_SHARED_CAPABILITY(x) NOROSHI_THREAD_ANNOTATION(assert_shared_capability(x))
#define RETURN_CAPABILITY(x) NOROSHI_THREAD_ANNOTATION(lock_returned(x))
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

// For what one thread writes, the one that made this mutex, and any thread reads. That one reads
// without a lock, for nobody else changes anything. Not recursive: a thread that holds it must not
// take it again.
class CAPABILITY("mutex") SingleWriterMutex {
 public:
  void lock() ACQUIRE() {
    check_writer();
    mutex_.lock();
  }
  void unlock() RELEASE() { mutex_.unlock(); }
  void lock_shared() ACQUIRE_SHARED() { mutex_.lock_shared(); }
  void unlock_shared() RELEASE_SHARED() { mutex_.unlock_shared(); }
  // Says that the function which calls it runs on the writing thread: it may read. CHECKed.
  void reading_as_writer() const ASSERT_SHARED_CAPABILITY(this) { check_writer(); }

 private:
  void check_writer() const {
    CHECK(std::this_thread::get_id() == writer_, "only the thread that made it writes");
  }
  std::shared_mutex mutex_;
  const std::thread::id writer_ = std::this_thread::get_id();
};

class SCOPED_CAPABILITY WriterLock {
 public:
  explicit WriterLock(SingleWriterMutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~WriterLock() RELEASE() { mutex_.unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SingleWriterMutex& mutex_;
};

class SCOPED_CAPABILITY ReaderLock {
 public:
  explicit ReaderLock(SingleWriterMutex& mutex) ACQUIRE_SHARED(mutex) : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~ReaderLock() RELEASE() { mutex_.unlock_shared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SingleWriterMutex& mutex_;
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
