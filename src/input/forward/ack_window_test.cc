#include "input/forward/ack_window.h"

#include <gtest/gtest.h>

#include "input/forward/frame_builder.h"

namespace noroshi::forward {
namespace {

class Receiver final : public AckReceiver {
 public:
  void acknowledge(std::string_view ack_id) override { told.emplace_back(ack_id); }
  std::vector<std::string> told;
};

// Remembers what was stored before a restart.
class Sink final : public ChunkSink {
 public:
  Status ingest(Chunk&, InputMetrics&) override { return {}; }
  bool stored_before(const Receipt& receipt) const override { return receipt == stored; }
  bool paused() const override { return false; }
  void when_resumed(std::function<void()>) override {}
  Receipt stored = {};
};

class AckWindowTest : public testing::Test {
 protected:
  AckWindow::Seen open(std::string_view id, std::string_view tag = "app") {
    return window_->open(text(id), tag, receiver_, request_);
  }

  ManualClock clock_;
  Sink sink_;
  std::shared_ptr<AckWindow> window_ = std::make_shared<AckWindow>(clock_, sink_);
  std::shared_ptr<Receiver> receiver_ = std::make_shared<Receiver>();
  std::shared_ptr<AckRequest> request_;
};

TEST_F(AckWindowTest, AcknowledgesWhenTheLastHolderLetsGo) {
  ASSERT_EQ(open("id"), AckWindow::Seen::New);
  std::shared_ptr<PendingAck> chunk_one = request_, chunk_two = request_;
  request_.reset();
  chunk_one.reset();
  EXPECT_TRUE(receiver_->told.empty());
  chunk_two.reset();
  EXPECT_EQ(receiver_->told, std::vector<std::string>{text("id")});
}

TEST_F(AckWindowTest, ARepeatedIdIsKnownPerTag) {
  ASSERT_EQ(open("id"), AckWindow::Seen::New);
  request_.reset();
  EXPECT_EQ(open("id"), AckWindow::Seen::Stored);
  EXPECT_EQ(open("id", "other"), AckWindow::Seen::New);
  EXPECT_EQ(open("idap", "p"), AckWindow::Seen::New);
}

TEST_F(AckWindowTest, WhatWasStoredBeforeARestartIsKnownByItsReceipt) {
  ASSERT_EQ(open("id"), AckWindow::Seen::New);
  sink_.stored = request_->receipt();
  request_.reset();
  window_ = std::make_shared<AckWindow>(clock_, sink_);  // the restart
  EXPECT_EQ(open("id"), AckWindow::Seen::Stored);
  EXPECT_EQ(open("id", "other"), AckWindow::Seen::New);
  EXPECT_NE(request_->receipt(), sink_.stored);
}

TEST_F(AckWindowTest, AFailedRequestIsForgotten) {
  ASSERT_EQ(open("id"), AckWindow::Seen::New);
  request_->fail();
  request_.reset();
  EXPECT_TRUE(receiver_->told.empty());
  EXPECT_EQ(window_->size(), 0u);
  EXPECT_EQ(open("id"), AckWindow::Seen::New) << "it must be stored now";
  request_.reset();
  EXPECT_EQ(receiver_->told.size(), 1u);
}

TEST_F(AckWindowTest, ARefusedRequestIsNeitherAcknowledgedNorStoredAgain) {
  ASSERT_EQ(open("id"), AckWindow::Seen::New);
  request_->refuse();
  request_.reset();
  EXPECT_EQ(open("id"), AckWindow::Seen::Refused);
  EXPECT_TRUE(receiver_->told.empty());
}

TEST_F(AckWindowTest, ARepetitionDuringTheFirstIsToldToo) {
  ASSERT_EQ(open("id"), AckWindow::Seen::New);
  const auto first = std::move(request_);
  const auto second_receiver = std::make_shared<Receiver>();
  std::shared_ptr<AckRequest> none;
  EXPECT_EQ(window_->open(text("id"), "app", second_receiver, none), AckWindow::Seen::Pending);
  EXPECT_FALSE(none);
  const_cast<std::shared_ptr<AckRequest>&>(first).reset();
  EXPECT_EQ(receiver_->told.size(), 1u);
  EXPECT_EQ(second_receiver->told.size(), 1u);
}

TEST_F(AckWindowTest, ARepetitionAfterTheFirstHasFailedButStillLivesIsNew) {
  ASSERT_EQ(open("id"), AckWindow::Seen::New);
  auto first = std::move(request_);
  first->fail();
  ASSERT_EQ(open("id"), AckWindow::Seen::New);
  first.reset();
  EXPECT_EQ(window_->size(), 1u) << "the first one's end does not touch the second";
  request_.reset();
  EXPECT_EQ(open("id"), AckWindow::Seen::Stored);
}

TEST_F(AckWindowTest, AReceiverThatIsGoneIsNoProblem) {
  ASSERT_EQ(open("id"), AckWindow::Seen::New);
  receiver_.reset();
  request_.reset();
  EXPECT_EQ(open("id"), AckWindow::Seen::Stored);
}

TEST_F(AckWindowTest, BoundedByAge) {
  (void)open("old");
  request_.reset();
  clock_.advance(AckWindow::kAge - Seconds(1));
  EXPECT_EQ(open("old"), AckWindow::Seen::Stored);
  clock_.advance(Seconds(2));
  EXPECT_EQ(open("old"), AckWindow::Seen::New);
}

TEST_F(AckWindowTest, BoundedByNumberAndBytes) {
  for (int n = 0; n < 100'000; ++n) {
    (void)open("0123456789012345678901234" + std::to_string(n));
    request_.reset();
  }
  EXPECT_LE(window_->size(), AckWindow::kIds);
  EXPECT_LE(window_->bytes(), AckWindow::kBytes);
  EXPECT_GT(window_->size(), 15'000u);
  EXPECT_EQ(open("012345678901234567890123499999"), AckWindow::Seen::Stored);
  for (int n = 0; n < 10'000; ++n) {
    (void)open(std::string(1000, 'x') + std::to_string(n));
    request_.reset();
  }
  EXPECT_LE(window_->bytes(), AckWindow::kBytes);
}

TEST_F(AckWindowTest, ARequestMayOutliveItsPlaceInTheWindow) {
  ASSERT_EQ(open("first"), AckWindow::Seen::New);
  auto first = std::move(request_);
  clock_.advance(AckWindow::kAge + Seconds(1));
  ASSERT_EQ(open("second"), AckWindow::Seen::New);
  EXPECT_EQ(window_->size(), 1u);
  first.reset();
  EXPECT_EQ(receiver_->told, std::vector<std::string>{text("first")});
}

}  // namespace
}  // namespace noroshi::forward
