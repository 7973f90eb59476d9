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

}  // namespace
}  // namespace noroshi
