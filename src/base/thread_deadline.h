// ThreadDeadline: while one lives, blocking calls of its thread (an HTTP request, a wait for
// credentials) end when the deadline is reached, even if another thread brings the deadline forward
// while they block. This is how a shutdown cuts short what is under way without every plugin having
// to pass it on.
//
//   std::atomic<int64_t> deadline_ns{INT64_MAX};        // set by shutdown
//   ThreadDeadline scope(deadline_ns);                  // in the thread
//   … a blocking call looks at ThreadDeadline::current() every kThreadDeadlineInterval …
//
// One at a time in a thread. A call's own deadline holds as well: the earlier of the two counts.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace noroshi {

// How late a deadline that was brought forward may be noticed.
inline constexpr Milliseconds kThreadDeadlineInterval{50};

class ThreadDeadline {
 public:
  // `deadline_ns`: nanoseconds of the monotonic clock, INT64_MAX for none; outlives the scope.
  explicit ThreadDeadline(const std::atomic<int64_t>& deadline_ns);
  ~ThreadDeadline();
  ThreadDeadline(const ThreadDeadline&) = delete;
  ThreadDeadline& operator=(const ThreadDeadline&) = delete;

  // True if the calling thread has one: its waits must look at current() now and then.
  [[nodiscard]] static bool present();
  // Of the calling thread; Monotonic::max() without one.
  [[nodiscard]] static Monotonic current();
  // The end of the next slice of a wait until `deadline`: at most kThreadDeadlineInterval away if
  // this thread has a deadline, and not behind it.
  [[nodiscard]] static Monotonic next_look(Monotonic now, Monotonic deadline) {
    if (!present()) return deadline;
    return std::min({deadline, current(), now + kThreadDeadlineInterval});
  }
};

}  // namespace noroshi
