#include "pipeline/accounting.h"

#include <gtest/gtest.h>

namespace noroshi {
namespace {

TEST(OutputAccountTest, WhatWasDroppedIsToldOnceAndByRange) {
  OutputAccount account;
  account.note_dropped(Offset{0}, Offset{10}, 4);
  account.note_dropped(Offset{10}, Offset{20}, 5);
  account.note_dropped(Offset{20}, Offset{30}, 0);
  account.note_dropped(Offset{30}, Offset{40}, 6);
  EXPECT_EQ(account.take_dropped(Offset{10}, Offset{30}), 5u);
  EXPECT_EQ(account.take_dropped(Offset{10}, Offset{30}), 0u);
  EXPECT_EQ(account.take_dropped(Offset{0}, Offset{UINT64_MAX}), 10u);
  EXPECT_TRUE(account.exact());
}

TEST(OutputAccountTest, WhatIsSettledIsNotLost) {
  OutputAccount account;
  account.set_place(Offset{10}, Offset{10});
  account.note_dropped(Offset{0}, Offset{10}, 10);
  account.note_dropped(Offset{10}, Offset{20}, 7);
  EXPECT_EQ(account.take_dropped(Offset{0}, Offset{20}), 7u);
}

TEST(OutputAccountTest, HalfAnEntryIsAnEstimate) {
  OutputAccount account;
  account.note_dropped(Offset{0}, Offset{10}, 4);
  EXPECT_EQ(account.take_dropped(Offset{5}, Offset{10}), 4u);
  EXPECT_FALSE(account.exact());
}

TEST(OutputAccountTest, ManyEntriesKeepTheirSum) {
  OutputAccount account;
  const uint64_t entries = 5 * kDroppedEntriesMax;
  for (uint64_t i = 0; i < entries; ++i) account.note_dropped(Offset{i}, Offset{i + 1}, 1);
  EXPECT_EQ(account.take_dropped(Offset{0}, Offset{100}), 100u);
  EXPECT_EQ(account.take_dropped(Offset{100}, Offset{entries}), entries - 100);
  EXPECT_TRUE(account.exact());
}

TEST(OutputAccountTest, Waiting) {
  OutputAccount account;
  OutputMetrics metrics;
  account.recovered.add(5);
  metrics.routed.add(10);
  metrics.records.add(3);
  metrics.drop(DropReason::Rejected).add(2);
  EXPECT_EQ(account.waiting(metrics), 10u);
  metrics.records.add(100);
  EXPECT_EQ(account.waiting(metrics), 0u);
}

TEST(OutputAccountTest, WhatIsNeitherDeliveredNorDroppedNorOpenIsUnaccountedAfterASecond) {
  OutputAccount account;
  OutputMetrics metrics;
  const auto at = [](int milliseconds) { return Monotonic(Milliseconds(milliseconds)); };
  account.recovered.add(5);
  metrics.routed.add(10);
  metrics.records.add(9);
  metrics.drop(DropReason::Rejected).add(2);
  EXPECT_FALSE(account.compare(metrics, 4, at(0)));
  EXPECT_FALSE(account.compare(metrics, 3, at(2000))) << "ingest may be about to count it";
  EXPECT_FALSE(account.compare(metrics, 4, at(2500)));
  EXPECT_FALSE(account.compare(metrics, 3, at(3000)));
  EXPECT_FALSE(account.compare(metrics, 3, at(3999)));
  EXPECT_EQ(account.unaccounted(), 0u);
  EXPECT_TRUE(account.compare(metrics, 3, at(4000)));
  EXPECT_FALSE(account.compare(metrics, 3, at(4500))) << "it is told once";
  EXPECT_EQ(account.unaccounted(), 1u);
  EXPECT_FALSE(account.compare(metrics, 6, at(5000)));
  EXPECT_TRUE(account.compare(metrics, 6, at(6000)));
  EXPECT_EQ(account.unaccounted(), 2u) << "there twice";
  EXPECT_FALSE(account.compare(metrics, 4, at(6500)));
  EXPECT_EQ(account.unaccounted(), 0u);
  account.set_inexact();
  EXPECT_FALSE(account.compare(metrics, 0, at(7000)));
  EXPECT_FALSE(account.compare(metrics, 0, at(9000))) << "what was estimated is not compared";
}

}  // namespace
}  // namespace noroshi
