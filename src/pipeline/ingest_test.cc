#include "pipeline/ingest.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "journal/journal_reader.h"
#include "journal/testing/fake_file_system.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

using ::testing::ElementsAre;

Chunk chunk_of(const std::string& tag, uint32_t count, size_t bytes_each = 10,
               std::string_view level = "INFO") {
  Chunk chunk{.tag = tag, .records = {}, .body = {}};
  for (uint32_t i = 0; i < count; ++i) {
    std::string record;
    MsgpackWriter writer(record);
    writer.map_header(2);
    writer.string("level");
    writer.string(level);
    writer.string("text");
    writer.string(std::string(bytes_each, 'x'));
    chunk.append(Timestamp{}, record);
  }
  return chunk;
}

class CountedAck final : public PendingAck {
 public:
  CountedAck(int& acknowledged, int& failed, Receipt receipt = {})
      : PendingAck(receipt), acknowledged_(acknowledged), failed_(failed) {}
  ~CountedAck() override { ++(failed() ? failed_ : acknowledged_); }

 private:
  int& acknowledged_;
  int& failed_;
};

// Calls a function per chunk.
class ScriptedFilter final : public Filter {
 public:
  using Script = std::function<void(Chunk&, FilterOutput&)>;
  explicit ScriptedFilter(Script apply, Script flush = {})
      : apply_(std::move(apply)), flush_(std::move(flush)) {}
  void apply(Chunk& chunk, FilterOutput& output, FilterMetrics&) override { apply_(chunk, output); }
  void flush(FilterOutput& output, FilterMetrics&) override {
    Chunk none;
    if (flush_) flush_(none, output);
  }

 private:
  Script apply_, flush_;
};

class IngestTest : public ::testing::Test {
 protected:
  void open(uint64_t journal_bytes = 16 << 20, bool shed = false) {
    journal_ = *Journal::open({.bytes_max = journal_bytes});
    ASSERT_TRUE(journal_->register_output("all").has_value());
    std::vector<Route> routes;
    routes.push_back({.output_identity = "all", .match = {TagPattern("*")}});
    std::vector<RoutedOutput> outputs{{&output_, arrivals_}};
    if (second_output_) {
      routes.push_back(
          {.output_identity = "second", .match = {TagPattern("*")}, .processed = true});
      outputs.push_back({&second_, std::make_shared<Arrivals>()});
    }
    routes_.emplace(std::move(routes), std::move(inputs_));
    ingest_.emplace(loop_, std::move(stages_), *routes_, *journal_,
                    std::vector<const InputMetrics*>{&other_input_, &input_}, std::move(outputs),
                    shed);
  }
  // A stage that is a processor.
  void add_processor(std::optional<uint16_t> of_input, std::optional<size_t> of_output,
                     ScriptedFilter::Script apply, ScriptedFilter::Script flush = {}) {
    add_filter(std::move(apply), std::move(flush));
    stages_.back().input = of_input;
    stages_.back().output = of_output;
  }
  // Of each entry of the journal: tag, records, and which outputs take them.
  std::vector<std::string> stored_for() {
    std::vector<std::string> entries;
    const auto reader = journal_->make_reader(journal_->first_offset());
    EntryHead head;
    while (*reader->next(head) == ReadOutcome::Entry) {
      std::string text = fmt::format("{} {} ", head.tag, head.record_count);
      for (size_t i = 0; i < routes_->routes().size(); ++i) {
        const bool none = routes_->selects_none(i, head.routing.route_table, head.routing.marks);
        text += none ? '-' : 'x';
      }
      entries.push_back(text);
    }
    return entries;
  }
  void add_filter(ScriptedFilter::Script apply, ScriptedFilter::Script flush = {}) {
    stages_.push_back(
        {.match = {TagPattern("*")},
         .match_regex = {},
         .filter = std::make_unique<ScriptedFilter>(std::move(apply), std::move(flush)),
         .metrics = &filter_});
  }
  std::vector<std::string> stored_tags() {
    std::vector<std::string> tags;
    const auto reader = journal_->make_reader(journal_->first_offset());
    EntryHead head;
    while (*reader->next(head) == ReadOutcome::Entry) tags.emplace_back(head.tag);
    return tags;
  }
  Status ingest(Chunk chunk) {
    chunk.acks.push_back(std::make_shared<CountedAck>(acknowledged_, failed_));
    return ingest_->ingest(chunk, input_);
  }
  // What a delivered output does: everything so far may be forgotten.
  void deliver_everything() {
    ASSERT_TRUE(
        journal_
            ->save_checkpoint({.identity = "all", .low_water = journal_->appended_offset()}, false)
            .has_value());
  }

  boost::asio::io_context loop_;
  std::vector<FilterStage> stages_;
  std::unique_ptr<Journal> journal_;
  std::optional<RouteTable> routes_;
  InputMetrics other_input_, input_;
  bool second_output_ = false;
  OutputMetrics second_;
  std::vector<InputRouting> inputs_;
  FilterMetrics filter_;
  OutputMetrics output_;
  std::shared_ptr<Arrivals> arrivals_ = std::make_shared<Arrivals>();
  std::optional<Ingest> ingest_;
  int acknowledged_ = 0, failed_ = 0;
};

TEST_F(IngestTest, StoresRoutesAndAcknowledges) {
  open();
  ASSERT_TRUE(ingest(chunk_of("app", 3)).has_value());
  EXPECT_EQ(acknowledged_, 1);
  EXPECT_EQ(journal_->appended_offset(), Offset{3});
  EXPECT_EQ(output_.routed.get(), 3u);
  EXPECT_EQ(input_.records.get(), 3u);
}

TEST_F(IngestTest, AHeldRecordHoldsTheAcknowledgement) {
  Chunk kept;
  add_filter([&](Chunk& chunk, FilterOutput&) { std::swap(kept, chunk); },
             [&](Chunk&, FilterOutput& output) { output.emit(kept, false); });  // at the end
  open();
  ASSERT_TRUE(ingest(chunk_of("app", 2)).has_value());
  EXPECT_EQ(acknowledged_, 0);
  EXPECT_EQ(journal_->appended_offset(), Offset{0});
  ingest_->finish();
  EXPECT_EQ(acknowledged_, 1);
  EXPECT_EQ(journal_->appended_offset(), Offset{2});
}

// The receipt of a request is stored with the last of its records: a kill in between must not make
// half of it look like all of it.
TEST_F(IngestTest, ARequestIsKnownAfterARestartOnceAllOfItIsStored) {
  const std::unique_ptr<FileSystem> disk = make_memory_file_system();
  const auto reopen = [&] {
    ingest_.reset();
    journal_.reset();
    journal_ = *Journal::open({.directory = "/j", .disk_free_min = 0}, disk.get());
    ASSERT_TRUE(journal_->register_output("all").has_value());
    std::vector<Route> routes;
    routes.push_back({.output_identity = "all", .match = {TagPattern("*")}});
    routes_.emplace(std::move(routes));
    ingest_.emplace(loop_, std::move(stages_), *routes_, *journal_,
                    std::vector<const InputMetrics*>{&input_},
                    std::vector<RoutedOutput>{{&output_, arrivals_}}, false);
  };
  Chunk kept;
  add_filter([&](Chunk& chunk, FilterOutput& output) {
    if (chunk.tag == "plain") return;
    Chunk first = chunk_of("first", 1);  // three ways: on at once, on at once, held
    first.acks = chunk.acks;
    output.emit(first, false);
    kept = chunk_of("kept", 1);
    kept.acks = chunk.acks;
  });
  reopen();
  const Receipt plain{1, 1}, spread{2, 2};
  const auto request = [&](const std::string& tag, const Receipt& receipt) {
    Chunk chunk = chunk_of(tag, 2);
    chunk.acks.push_back(std::make_shared<CountedAck>(acknowledged_, failed_, receipt));
    ASSERT_TRUE(ingest_->ingest(chunk, input_).has_value());
  };
  request("plain", plain);
  request("spread", spread);
  EXPECT_EQ(acknowledged_, 1);
  reopen();
  EXPECT_TRUE(ingest_->stored_before(plain));
  EXPECT_FALSE(ingest_->stored_before(spread));
  EXPECT_FALSE(ingest_->stored_before(Receipt{}));

  add_filter([](Chunk& chunk, FilterOutput& output) {
    Chunk second = chunk_of("second", 1);
    second.acks = chunk.acks;
    output.emit(second, false);
  });
  kept.clear();  // where a kill would have
  acknowledged_ = 0;
  reopen();
  request("spread", spread);
  EXPECT_EQ(acknowledged_, 1);
  reopen();
  EXPECT_TRUE(ingest_->stored_before(spread));
  EXPECT_TRUE(ingest_->stored_before(plain)) << "of the run before";
}

// An fsync fails: acks wait until what was appended is on stable storage after all, and inputs are
// paused meanwhile. Only what the disk took is to be sent again.
TEST_F(IngestTest, AcksWaitForARepairAndFailOnlyForWhatIsLost) {
  testing::FakeFileSystem disk(1);
  disk.set_failed_sync(testing::FakeFileSystem::FailedSync::CallsClean);
  ManualClock clock;
  open();
  ingest_.reset();
  journal_ =
      *Journal::open({.directory = "/j", .disk_free_min = 0, .sync = SyncMode::Full}, &disk, clock);
  ASSERT_TRUE(journal_->register_output("all").has_value());
  ingest_.emplace(loop_, std::move(stages_), *routes_, *journal_,
                  std::vector<const InputMetrics*>{&other_input_, &input_},
                  std::vector<RoutedOutput>{{&output_, arrivals_}}, false);
  bool resumed = false;
  const auto resume = [&] {
    resumed = false;
    loop_.restart();
    ingest_->when_resumed([&] { resumed = true; });
    clock.advance(kRepairWaitMin);
    const Monotonic deadline = system_clock().monotonic() + Seconds(20);
    while (!resumed && system_clock().monotonic() < deadline) loop_.run_one_for(Seconds(1));
    EXPECT_TRUE(resumed);
    EXPECT_FALSE(ingest_->paused());
  };
  disk.fail_syncs(1);
  ASSERT_TRUE(ingest(chunk_of("first", 2)).has_value());
  EXPECT_EQ(acknowledged_, 0);
  EXPECT_EQ(failed_, 0);
  EXPECT_TRUE(ingest_->paused());
  ASSERT_TRUE(ingest(chunk_of("second", 2)).has_value());  // read before the pause: waits as well
  EXPECT_EQ(journal_->appended_offset(), Offset{2});
  resume();
  EXPECT_EQ(acknowledged_, 2);
  EXPECT_EQ(failed_, 0);
  EXPECT_EQ(journal_->durable_offset(), Offset{4});

  disk.set_failed_sync(testing::FakeFileSystem::FailedSync::DropsFromCache);
  disk.fail_syncs(1);
  ASSERT_TRUE(ingest(chunk_of("lost", 100)).has_value());
  EXPECT_EQ(acknowledged_, 2);
  resume();
  EXPECT_EQ(acknowledged_, 2);
  EXPECT_EQ(failed_, 1);
  ASSERT_TRUE(ingest(chunk_of("again", 100)).has_value());
  EXPECT_EQ(acknowledged_, 3);

  // Nobody commits any more at the end: not acknowledged is what is not on stable storage.
  disk.fail_syncs(UINT64_MAX);
  ASSERT_TRUE(ingest(chunk_of("last", 1)).has_value());
  ingest_->finish();
  EXPECT_EQ(acknowledged_, 3);
  EXPECT_EQ(failed_, 2);
  ingest_.reset();
  journal_.reset();  // before its disk
}

TEST_F(IngestTest, EmittedChunksGoOnBehindTheFilterOrStartAgain) {
  add_filter([](Chunk& chunk, FilterOutput& output) {
    if (chunk.tag != "app") return;
    Chunk behind = chunk_of("behind", 1), again = chunk_of("again", 1);
    output.emit(behind, false);
    output.emit(again, true);
  });
  std::vector<std::string> seen_by_second;
  add_filter([&](Chunk& chunk, FilterOutput&) { seen_by_second.push_back(chunk.tag); });
  open();
  ASSERT_TRUE(ingest(chunk_of("app", 1)).has_value());
  EXPECT_THAT(seen_by_second, ElementsAre("app", "behind", "again"));
  EXPECT_THAT(stored_tags(), ElementsAre("app", "behind", "again"));
}

TEST_F(IngestTest, ALoopOfRewrittenTagsEndsAndLosesNothing) {
  add_filter([](Chunk& chunk, FilterOutput& output) { output.emit(chunk, true); });
  open();
  ASSERT_TRUE(ingest(chunk_of("app", 5)).has_value());
  EXPECT_EQ(journal_->appended_offset(), Offset{5});
}

TEST_F(IngestTest, AFullJournalPausesInputsAndKeepsWhatItWasGivenInOrder) {
  open(kJournalBytesMin);
  int chunks = 0;
  for (; !ingest_->paused(); ++chunks) ASSERT_TRUE(ingest(chunk_of("app", 10, 1000)).has_value());
  EXPECT_EQ(acknowledged_, chunks - 1) << "the last one is kept, not acknowledged";
  ASSERT_TRUE(ingest(chunk_of("later", 1)).has_value());
  bool resumed = false;
  ingest_->when_resumed([&] { resumed = true; });
  deliver_everything();
  loop_.run_for(std::chrono::seconds(2));
  EXPECT_TRUE(resumed);
  EXPECT_FALSE(ingest_->paused());
  EXPECT_EQ(acknowledged_, chunks + 1);
  EXPECT_EQ(journal_->appended_offset(), Offset{static_cast<uint64_t>(chunks) * 10 + 1});
  EXPECT_EQ(stored_tags().back(), "later");
}

TEST_F(IngestTest, WhatWaitsIsBoundedAndRefusedBeyond) {
  open(kJournalBytesMin);
  Status last;
  for (int i = 0; i < 100 && last; ++i) last = ingest(chunk_of("app", 100, 10'000));
  ASSERT_FALSE(last.has_value());
  EXPECT_EQ(last.error().code, ErrorCode::Exhausted);
  ingest_->finish();
  EXPECT_GT(failed_, 0) << "what could not be stored at the end is not acknowledged";
  EXPECT_GT(ingest_->refused(), 0u);
}

TEST_F(IngestTest, ARecordTheJournalCanNeverTakeDoesNotHoldUpTheOthers) {
  open(kJournalBytesMin);
  while (!ingest_->paused()) ASSERT_TRUE(ingest(chunk_of("app", 10, 1000)).has_value());
  ASSERT_TRUE(ingest(chunk_of("huge", 1, kJournalBytesMin)).has_value());
  ASSERT_TRUE(ingest(chunk_of("later", 1)).has_value());
  deliver_everything();
  loop_.run_for(std::chrono::seconds(1));
  EXPECT_FALSE(ingest_->paused());
  EXPECT_EQ(stored_tags().back(), "later");
  EXPECT_EQ(ingest_->refused(), 1u);
  EXPECT_EQ(failed_, 1);
}

TEST_F(IngestTest, AChunkAFilterMadeTooLargeIsDivided) {
  add_filter([](Chunk& chunk, FilterOutput&) {
    Chunk grown = chunk_of(chunk.tag, 12, 1 << 20);
    grown.acks = chunk.acks;
    chunk = std::move(grown);
  });
  open(64 << 20);
  ASSERT_TRUE(ingest(chunk_of("app", 1)).has_value());
  EXPECT_EQ(journal_->appended_offset(), Offset{12});
  EXPECT_EQ(stored_tags().size(), 2u);
  EXPECT_EQ(acknowledged_, 1) << "once, after both halves are stored";
}

TEST_F(IngestTest, NearlyFullTheLeastSevereGoFirstAndAreCounted) {
  open(kJournalBytesMin, true);
  while (journal_->bytes() < journal_->bytes_max() / 10 * 9) {
    ASSERT_TRUE(ingest(chunk_of("app", 1, 1000, "ERROR")).has_value());
  }
  const Offset before = journal_->appended_offset();
  ASSERT_TRUE(ingest(chunk_of("app", 4, 10, "DEBUG")).has_value());
  EXPECT_EQ(journal_->appended_offset(), before);
  EXPECT_EQ(output_.drop(DropReason::JournalFull).get(), 4u);
  ASSERT_TRUE(ingest(chunk_of("app", 2, 10, "ERROR")).has_value());
  EXPECT_EQ(journal_->appended_offset(), before + 2);
}

TEST_F(IngestTest, ProcessorsOfAnInputTakeItsChunksAloneAndNotWhatIsSentBackToTheHead) {
  std::vector<std::string> first, second, filter;
  add_processor(0, {}, [&](Chunk& chunk, FilterOutput&) { first.push_back(chunk.tag); });
  add_processor(1, {}, [&](Chunk& chunk, FilterOutput&) { second.push_back(chunk.tag); });
  add_filter([&](Chunk& chunk, FilterOutput& output) {
    filter.push_back(chunk.tag);
    if (chunk.tag != "app") return;
    Chunk again = chunk_of("again", 1);
    output.emit(again, true);
  });
  open();
  ASSERT_TRUE(ingest(chunk_of("app", 1)).has_value());  // of the input with number 1
  EXPECT_THAT(first, ::testing::IsEmpty());
  EXPECT_THAT(second, ElementsAre("app"));
  EXPECT_THAT(filter, ElementsAre("app", "again"));
}

TEST_F(IngestTest, AnOutputWithProcessorsGetsACopyAndTheOthersTheRecordsAsTheyWere) {
  second_output_ = true;
  add_processor({}, 1, [](Chunk& chunk, FilterOutput&) {
    Chunk half = chunk_of(chunk.tag + ".processed", 1);
    chunk.tag = half.tag;
    chunk.records = half.records;
    chunk.body = half.body;
  });
  open();
  ASSERT_TRUE(ingest(chunk_of("app", 2)).has_value());
  EXPECT_THAT(stored_for(), ElementsAre("app 2 x-", "app.processed 1 -x"));
  EXPECT_EQ(output_.routed.get(), 2u);
  EXPECT_EQ(second_.routed.get(), 1u);
  EXPECT_EQ(acknowledged_, 1);
}

TEST_F(IngestTest, ACopyThatAProcessorHoldsHoldsTheAcknowledgement) {
  second_output_ = true;
  Chunk kept;
  add_processor(
      {}, 1, [&](Chunk& chunk, FilterOutput&) { std::swap(kept, chunk); },
      [&](Chunk&, FilterOutput& output) { output.emit(kept, false); });
  open();
  ASSERT_TRUE(ingest(chunk_of("app", 2)).has_value());
  EXPECT_THAT(stored_for(), ElementsAre("app 2 x-"));
  EXPECT_EQ(acknowledged_, 0);
  ingest_->finish();
  EXPECT_THAT(stored_for(), ElementsAre("app 2 x-", "app 2 -x"));
  EXPECT_EQ(acknowledged_, 1);
}

TEST_F(IngestTest, WhatAFilterReleasesKeepsItsInputEvenIfTheFilterDoesNotSaySo) {
  second_output_ = true;
  Chunk made = chunk_of("app", 3);
  inputs_.resize(2);
  inputs_[0].identity = "other";
  inputs_[1].identity = "routed";
  inputs_[1].routes.push_back({.name = "all", .outputs = {1}});
  add_filter([](Chunk& chunk, FilterOutput&) { chunk.clear(); },
             [&](Chunk&, FilterOutput& output) { output.emit(made, false); });
  add_processor({}, 1, [](Chunk&, FilterOutput&) {});
  open();
  ASSERT_TRUE(ingest(chunk_of("app", 3)).has_value());
  ingest_->finish();
  // Routed, so the tag's outputs do not take it.
  EXPECT_THAT(stored_for(), ElementsAre("app 3 --", "app 3 -x"));
}

}  // namespace
}  // namespace noroshi
