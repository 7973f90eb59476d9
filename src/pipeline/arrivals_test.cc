// Who is woken, by what, and that no wake-up is lost.

#include "pipeline/arrivals.h"

#include <gtest/gtest.h>

#include <thread>

namespace noroshi {
namespace {

Monotonic in(Nanoseconds time) { return system_clock().monotonic() + time; }

TEST(Arrivals, WhoWaitsForRecordsIsNotWokenByThoseOfOthers) {
  Arrivals arrivals;
  const Arrivals::Seen seen = arrivals.seen();
  arrivals.appended(500, 0);
  EXPECT_FALSE(arrivals.wait(seen, in(Milliseconds(1)), true));
  arrivals.appended(500, 1);
  EXPECT_TRUE(arrivals.wait(seen, in(Seconds(60)), true));
  EXPECT_FALSE(arrivals.wait(seen, in(Milliseconds(1)), false)) << "it has until then";
  EXPECT_FALSE(arrivals.wait(arrivals.seen(), in(Milliseconds(1)), true)) << "it was seen";
}

TEST(Arrivals, ManyBytesWakeEverybody) {
  Arrivals arrivals;
  const Arrivals::Seen seen = arrivals.seen();
  arrivals.appended(999, 10);
  EXPECT_FALSE(arrivals.wait(seen, in(Milliseconds(1)), false, 1000));
  arrivals.appended(1, 0);
  EXPECT_TRUE(arrivals.wait(seen, in(Seconds(60)), false, 1000));
}

TEST(Arrivals, AWakeIsForTheWaitUnderWayOrTheNext) {
  Arrivals arrivals;
  const Arrivals::Seen seen = arrivals.seen();
  arrivals.wake();
  EXPECT_TRUE(arrivals.wait(seen, in(Seconds(60)), false));
  EXPECT_FALSE(arrivals.wait(arrivals.seen(), in(Milliseconds(1)), false));
  std::thread waker([&] {
    std::this_thread::sleep_for(Milliseconds(20));
    arrivals.wake();
  });
  EXPECT_TRUE(arrivals.wait(arrivals.seen(), in(Seconds(60)), false));
  waker.join();
}

// As ingest and a delivery thread do it: whatever was counted before the last look is seen, and
// what came after it ends the wait. A lost wake-up would take the deadline.
TEST(Arrivals, NoWakeIsLost) {
  constexpr uint64_t kRecords = 20'000;
  Arrivals arrivals;
  std::atomic<uint64_t> appended{0};
  std::thread ingest([&] {
    for (uint64_t i = 1; i <= kRecords; ++i) {
      appended.store(i);
      arrivals.appended(1, 1);
      if (i % 64 == 0) std::this_thread::yield();
    }
  });
  const Monotonic started = system_clock().monotonic();
  for (uint64_t read = 0; read < kRecords;) {
    const Arrivals::Seen seen = arrivals.seen();
    read = appended.load();
    if (read < kRecords) {
      ASSERT_TRUE(arrivals.wait(seen, in(Seconds(20)), true));
    }
  }
  ingest.join();
  EXPECT_LT(system_clock().monotonic() - started, Seconds(15));
}

}  // namespace
}  // namespace noroshi
