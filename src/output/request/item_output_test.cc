// The delivery of items against a protocol that answers as the test says.
#include "output/request/item_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <random>

#include "output/testing/chunk_builder.h"

namespace noroshi {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = RequestAnswer::Kind;

// Records are {"n":…}; an item is the text of n.
class FakeProtocol final : public ItemProtocol {
 public:
  ItemLimits limits() const override { return limits_; }
  ItemFraming framing() const override {
    return {.opening = "[", .separator = ",", .closing = "]"};
  }
  Encoded encode(const ChunkView& chunk, uint32_t index, std::string& out, size_t) override {
    const std::string_view record = chunk.record(chunk.records[index]);
    if (record.size() < 2) return Encoded::NotEncodable;
    out += std::to_string(chunk.offset(index).value);
    return Encoded::Appended;
  }
  RequestAnswer send(ItemBatch& batch, std::span<const uint32_t> items, Monotonic) override {
    bodies_.emplace_back(batch.join(items, gathered_));
    RequestAnswer answer = answer_(items);
    return answer;
  }

  ItemLimits limits_ = {};
  std::function<RequestAnswer(std::span<const uint32_t>)> answer_ = [](auto) {
    return RequestAnswer::answered();
  };
  std::vector<std::string> bodies_;
  std::string gathered_;
};

class ItemOutputTest : public ::testing::Test {
 protected:
  ItemBatch& fill(uint32_t records, uint64_t base = 0) {
    testing::ChunkBuilder chunk("t", Offset{base});
    for (uint32_t i = 0; i < records; ++i) chunk.json({}, R"({"n":1})");
    batch_ = std::make_unique<ItemBatch>("", protocol_);
    std::vector<RejectedRecord> rejected;
    taken_ = *batch_->add(chunk.view(), chunk.all(), rejected);
    return *batch_;
  }
  Delivery deliver() {
    return deliver_items(protocol_, *batch_, learned_, clock_, clock_.monotonic() + Seconds(1));
  }
  static RequestAnswer answer(Kind kind) {
    RequestAnswer made{.kind = kind, .reason = "because"};
    return made;
  }

  FakeProtocol protocol_;
  std::unique_ptr<ItemBatch> batch_;
  uint32_t taken_ = 0;
  uint64_t learned_ = 0;
  ManualClock clock_;
};

TEST_F(ItemOutputTest, OneRequestForAll) {
  fill(3);
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Delivered);
  EXPECT_THAT(protocol_.bodies_, ElementsAre("[0,1,2]"));
}

TEST_F(ItemOutputTest, OnlyWhatWasNotAcceptedIsSentAgainInOrder) {
  fill(5);
  protocol_.answer_ = [](auto items) {
    RequestAnswer made{.reason = "slow down"};
    made.retry_class = RetryClass::Throttled;
    if (items.size() == 5) made.again = {items[3], items[1]};
    if (items.size() == 2) made.again = {items[1]};
    return made;
  };
  const Delivery first = deliver();
  EXPECT_EQ(first.outcome, Delivery::Outcome::Retry);
  EXPECT_EQ(first.retry_class, RetryClass::Throttled);
  EXPECT_EQ(first.reason, "slow down");
  EXPECT_THAT(batch_->settled_records().delivered, ElementsAre(Offset{0}, Offset{2}, Offset{4}));
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Retry);
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Delivered);
  EXPECT_THAT(protocol_.bodies_, ElementsAre("[0,1,2,3,4]", "[1,3]", "[3]"));
}

TEST_F(ItemOutputTest, ARefusedItemIsRejectedAndTheRestIsDelivered) {
  fill(3, 10);
  protocol_.answer_ = [](auto) {
    RequestAnswer made{.reason = "mapping"};
    made.refused = {{.item = 1, .reason = DropReason::Rejected}};
    return made;
  };
  const Delivery delivery = deliver();
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(delivery.reason, "mapping");
  ASSERT_EQ(delivery.rejected.size(), 1u);
  EXPECT_EQ(delivery.rejected[0].offset, Offset{11});
}

TEST_F(ItemOutputTest, ATooLargeRequestIsHalvedUntilItFits) {
  fill(8);
  protocol_.answer_ = [&](auto items) {
    return answer(items.size() > 3 ? Kind::TooLarge : Kind::Answered);
  };
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(batch_->settled_records().delivered.size(), 8u);
  EXPECT_EQ(protocol_.bodies_[0], "[0,1,2,3,4,5,6,7]");
  EXPECT_EQ(protocol_.bodies_[1], "[0,1,2,3]");
  EXPECT_EQ(protocol_.bodies_[2], "[0,1]");
  EXPECT_GT(learned_, 0u);
}

TEST_F(ItemOutputTest, ASingleTooLargeItemIsOversize) {
  fill(4);
  protocol_.answer_ = [&](auto items) {
    return answer(std::ranges::find(items, 2u) != items.end() ? Kind::TooLarge : Kind::Answered);
  };
  const Delivery delivery = deliver();
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Delivered);
  ASSERT_EQ(delivery.rejected.size(), 1u);
  EXPECT_EQ(delivery.rejected[0].offset, Offset{2});
  EXPECT_EQ(delivery.rejected[0].reason, DropReason::Oversize);
}

TEST_F(ItemOutputTest, TheCulpritOfASuspectRequestIsFound) {
  fill(100);
  protocol_.answer_ = [&](auto items) {
    return answer(std::ranges::find(items, 37u) != items.end() ? Kind::Suspect : Kind::Answered);
  };
  const Delivery delivery = deliver();
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Delivered);
  ASSERT_EQ(delivery.rejected.size(), 1u);
  EXPECT_EQ(delivery.rejected[0].offset, Offset{37});
  EXPECT_EQ(batch_->settled_records().delivered.size(), 99u);
  EXPECT_LT(protocol_.bodies_.size(), 40u);
}

TEST_F(ItemOutputTest, WhenEverySingleOneIsSuspectTheConfigurationIs) {
  fill(20);
  protocol_.answer_ = [&](auto) { return answer(Kind::Suspect); };
  const Delivery delivery = deliver();
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Retry);
  EXPECT_EQ(delivery.retry_class, RetryClass::Auth);
  EXPECT_THAT(batch_->settled_records().rejected, IsEmpty());
  protocol_.answer_ = [](auto) { return RequestAnswer::answered(); };
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(batch_->settled_records().delivered.size(), 20u);
}

TEST_F(ItemOutputTest, ARequestRefusedForGoodRejectsTheBatch) {
  fill(2);
  protocol_.answer_ = [&](auto) { return answer(Kind::Rejected); };
  const Delivery delivery = deliver();
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Rejected);
  EXPECT_EQ(delivery.reason, "because");
  EXPECT_EQ(batch_->settled_records().rejected.size(), 2u);
}

TEST_F(ItemOutputTest, ABatchIsFullByItemsOrBytes) {
  protocol_.limits_.items_max = 3;
  EXPECT_TRUE(fill(5).full());
  EXPECT_EQ(taken_, 3u);
  protocol_.limits_ = {.bytes_max = 4};
  EXPECT_TRUE(fill(5).full());
  EXPECT_EQ(taken_, 2u);
}

TEST_F(ItemOutputTest, ARequestMayTakeFewerThanABatch) {
  protocol_.limits_.request_items_max = 2;
  fill(5);
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Delivered);
  EXPECT_THAT(protocol_.bodies_, ElementsAre("[0,1]", "[2,3]", "[4]"));
}

TEST_F(ItemOutputTest, AnOversizedItemIsRefusedWhileEncoding) {
  protocol_.limits_.item_bytes_max = 1;
  testing::ChunkBuilder chunk("t", Offset{9});
  chunk.json({}, R"({"n":1})").json({}, R"({"n":1})");
  ItemBatch batch("", protocol_);
  std::vector<RejectedRecord> rejected;
  EXPECT_EQ(*batch.add(chunk.view(), chunk.all(), rejected), 2u);
  ASSERT_EQ(rejected.size(), 1u);
  EXPECT_EQ(rejected[0].offset, Offset{10});
  EXPECT_EQ(rejected[0].reason, DropReason::Oversize);
}

// Whatever the answers are: every record is delivered or rejected once, and none is sent again that
// was accepted.
TEST_F(ItemOutputTest, EveryRecordIsSettledOnceWhateverTheAnswersAre) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    const auto records = static_cast<uint32_t>(1 + random() % 60);
    fill(records);
    std::map<uint32_t, int> accepted;
    protocol_.answer_ = [&](std::span<const uint32_t> items) {
      RequestAnswer made{.reason = "some"};
      switch (random() % 6) {
        case 0:
          return answer(Kind::TooLarge);
        case 1:
          return RequestAnswer::retry(RetryClass::Transient, "no");
        case 2:
          for (const uint32_t item : items) {
            if (random() % 4 == 0) made.again.push_back(item);
          }
          break;
        case 3:
          for (const uint32_t item : items) {
            if (random() % 16 == 0) made.refused.push_back({.item = item});
          }
          break;
        default:
          break;
      }
      for (const uint32_t item : items) {
        const bool refused =
            std::ranges::any_of(made.refused, [&](const auto& one) { return one.item == item; });
        if (!refused && std::ranges::find(made.again, item) == made.again.end()) ++accepted[item];
      }
      return made;
    };
    int attempts = 0;
    while (deliver().outcome == Delivery::Outcome::Retry && ++attempts < 10'000) {
    }
    const SettledRecords settled = batch_->settled_records();
    EXPECT_EQ(settled.delivered.size() + settled.rejected.size(), records);
    EXPECT_EQ(settled.delivered.size(), accepted.size());
    for (const auto& [item, times] : accepted) EXPECT_EQ(times, 1) << item;
  }
}

}  // namespace
}  // namespace noroshi
