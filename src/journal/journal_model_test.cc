// The journal against a model of it: random appends, reads, checkpoints, retention, failures of the
// disk, kills and power losses, then reopening and comparing. A failure prints the seed that
// repeats it:
//
//   ./dev crash --seed 4711
//   ./dev crash --seed 4711 --ops 5000000     as many operations from that seed on
//   ./dev crash --ops 5000000                 from seed 0 on (default: a million, half a minute)
//
// What is checked, always:
//   - a record that is read has the bytes that were appended at its offset;
//   - a reader meets every offset once, in order, as a record or as lost;
//   - nothing is lost except what a power loss took above durable_offset(), what DropOldest
//   dropped, and what a failed fsync took above durable_offset(): that is told by
//   lost_before_sync() when the journal is repaired, and nothing else is;
//   - no record is deleted that an output has not passed, as its checkpoint says after the crash;
//   - the receipts found are of appends that are there, in order, and the last ones are not
//   missing;
//   - appended_offset() never goes below durable_offset() or an offset that a checkpoint names.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <random>

#include "base/log.h"
#include "journal/journal.h"
#include "journal/journal_format.h"
#include "journal/journal_reader.h"
#include "journal/repair.h"
#include "journal/testing/fake_file_system.h"

namespace noroshi {
namespace {

using testing::Crash;
using testing::FakeFileSystem;

constexpr uint64_t kOperationsPerSeed = 400;
constexpr uint64_t kOperationsDefault = 1'000'000;
constexpr size_t kOutputs = 3;

uint64_t environment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed), disk_(seed + 1) {
    options_ = {.directory = "/j", .bytes_max = kJournalBytesMin, .disk_free_min = 0};
    if (seed % 4 == 3) options_.when_full = WhenFull::DropOldest;
    if (seed % 5 == 4) options_.sync = SyncMode::Full;
    bit_rot_ = seed % 7 == 6;
    // A disk that refuses this file as well, and a process that dies at that moment: then nothing
    // is promised (docs/decisions/0017).
    disk_.spare(Path("/j") / kUntrustedFileName);
  }

  void run() {
    open();
    for (uint64_t i = 0; i < kOperationsPerSeed && !::testing::Test::HasFailure(); ++i) {
      step();
      if (disk_.crashed()) restart(pick(2) == 0 ? Crash::PowerLoss : Crash::ProcessKilled);
      watch_failure();
      if (failed_ && pick(25) == 0) restart(pick(2) == 0 ? Crash::PowerLoss : Crash::ProcessKilled);
    }
    if (::testing::Test::HasFailure()) return;
    restart(Crash::ProcessKilled);
    disk_.set_capacity(UINT64_MAX);
    for (size_t output = 0; output < kOutputs; ++output) read(output, UINT64_MAX);
  }

 private:
  struct Record {
    std::vector<std::string> texts = {};  // one; more if several failed appends left it open which
    bool may_be_lost = false;
  };
  // A failed append: after a crash it may be there all the same.
  struct Doubt {
    uint64_t base = 0;
    std::vector<std::string> texts = {};
  };
  struct OutputModel {
    std::string identity = {};
    std::unique_ptr<JournalReader> reader = {};
    uint64_t position = 0;             // what it has read up to
    std::vector<uint64_t> saves = {};  // low-water offsets since the last durable one, it included
    bool has_durable_save = false;
    bool save_in_doubt = false;  // the last of saves may not have happened
  };

  uint64_t pick(uint64_t below) { return random_() % below; }

  void step() {
    const uint64_t choice = pick(100);
    if (choice < 40)
      append();
    else if (choice < 70)
      read_some();
    else if (choice < 82)
      save_one();
    else if (choice < 86)
      sync();
    else if (choice < 88)
      restart(Crash::ProcessKilled);
    else if (choice < 90)
      restart(Crash::PowerLoss);
    else if (choice < 93)
      disk_.crash_after(1 + pick(12));
    else if (choice < 95)
      fail_later();
    else if (choice < 96 && pick(2) == 0)
      fail_syncs();
    else if (choice < 97)
      disk_.set_capacity(disk_.used_bytes() + pick(20'000));
    else
      disk_.set_capacity(UINT64_MAX);
  }

  // Picked one by one: compilers differ in which argument of a call they evaluate first, and a seed
  // means the same run everywhere.
  void read_some() {
    const size_t output = pick(kOutputs);
    read(output, 1 + pick(8));
  }
  void save_one() {
    OutputModel& output = outputs_[pick(kOutputs)];
    save(output, pick(4) == 0);
  }
  void fail_later() {
    const uint64_t operations = 1 + pick(5);
    disk_.fail_after(operations, pick(2) == 0 ? ENOSPC : EIO);
  }

  void fail_syncs() {
    const uint64_t count = 1 + pick(3);
    disk_.fail_syncs(count, pick(8) == 0 ? ENOSPC : EIO);
  }

  // After every step: an fsync has failed, or what it left in doubt is written again.
  void watch_failure() {
    clock_.advance(Milliseconds(pick(600)));
    if (journal_->failed()) {
      if (!std::exchange(failed_, true)) {
        failed_from_ = journal_->durable_offset().value;
        failed_next_ = next_;
      }
      ASSERT_FALSE(journal_->problem().empty());
    } else if (std::exchange(failed_, false)) {
      ASSERT_GE(journal_->durable_offset().value, failed_next_);
      verify_repaired(failed_from_, true);
    }
  }

  // What a repair left: it is readable, or it is known to be lost.
  void verify_repaired(uint64_t from, bool same_process) {
    std::vector<uint64_t> lost;
    // Not expected any more, also of a segment that the same append repaired and then dropped.
    receipts_lost_ |=
        std::erase_if(receipts_, [&](const Receipt& receipt) {
          return journal_->lost_before_sync(Offset{receipt.high}, Offset{receipt.high + 1});
        }) > 0;
    from = std::max({from, journal_->first_offset().value, retired_});
    const auto reader = journal_->make_reader(Offset{from});
    EntryHead head;
    ChunkView chunk;
    for (;;) {
      const auto outcome = reader->next(head);
      if (!outcome) break;
      if (*outcome == ReadOutcome::End) {
        for (const uint64_t offset : lost) forget_receipts(offset);
        // A lost entry may have carried receipts of segments that are deleted by now: until the
        // next append they are in memory only.
        receipts_in_doubt_ |= !lost.empty();
        return;
      }
      Result<ReadOutcome> loaded = *outcome;
      if (*outcome == ReadOutcome::Entry) loaded = reader->load(chunk);
      if (!loaded) break;
      if (*loaded == ReadOutcome::Lost) {
        for (Offset offset = reader->lost().from; offset < reader->lost().to; offset = offset + 1) {
          const auto found = records_.find(offset.value);
          if (found == records_.end() || found->second.may_be_lost) continue;
          found->second.may_be_lost = true;
          if (same_process) {
            ASSERT_TRUE(journal_->lost_before_sync(offset, offset + 1)) << offset.value;
          }
          lost.push_back(offset.value);
        }
        continue;
      }
      for (uint64_t offset = std::max(from, head.base.value); offset < head.end().value; ++offset) {
        ASSERT_FALSE(journal_->lost_before_sync(Offset{offset}, Offset{offset + 1})) << offset;
        if (const auto found = records_.find(offset); found != records_.end())
          found->second.may_be_lost = false;
      }
    }
    // The disk crashed before we were through.
    for (auto& [offset, record] : records_) record.may_be_lost |= offset >= from;
    receipts_in_doubt_ = true;
  }

  void forget_receipts(uint64_t offset) {
    const auto is_its = [&](const Receipt& receipt) { return receipt.high == offset; };
    std::ranges::copy_if(every_receipt_, std::back_inserter(lost_receipts_), is_its);
    std::erase_if(receipts_, is_its);
  }

  void append() {
    Chunk chunk;
    chunk.tag = fmt::format("tag.{}", pick(3));
    Doubt made{.base = next_};
    const uint64_t count = 1 + pick(pick(4) == 0 ? 40 : 3);
    const uint64_t size_max = pick(20) == 0 ? 20'000 : 300;
    for (uint64_t i = 0; i < count; ++i) {
      std::string text = fmt::format("{}.{}:", next_ + i, ++serial_);
      text.resize(text.size() + pick(size_max), static_cast<char>('a' + serial_ % 26));
      chunk.append(Timestamp(Nanoseconds(serial_)), text);
      made.texts.push_back(std::move(text));
    }
    const std::string marks = fmt::format("marks of {}", next_);
    std::vector<Receipt> receipts(pick(4) == 0 ? 1 + pick(3) : 0);
    for (uint64_t i = 0; i < receipts.size(); ++i) receipts[i] = {next_, ++serial_};
    const auto base =
        journal_->append(chunk.view(), {.route_table = next_, .marks = marks}, receipts);
    retired_ = std::max(retired_, journal_->first_offset().value);
    if (!base) {
      doubts_.push_back(std::move(made));
      return;
    }
    ASSERT_EQ(base->value, next_);
    doubts_.clear();
    receipts_in_doubt_ = false;
    receipts_.insert(receipts_.end(), receipts.begin(), receipts.end());
    every_receipt_.insert(every_receipt_.end(), receipts.begin(), receipts.end());
    for (std::string& text : made.texts) records_[next_++] = {{std::move(text)}, false};
    ASSERT_EQ(journal_->appended_offset().value, next_);
    if (journal_->commit() && options_.sync == SyncMode::Full) {
      ASSERT_EQ(journal_->durable_offset().value, next_);
    }
    ASSERT_LE(journal_->bytes(), options_.bytes_max);
  }

  void read(size_t index, uint64_t entries) {
    OutputModel& output = outputs_[index];
    if (pick(10) == 0) output.reader->seek(Offset{output.position});
    EntryHead head;
    ChunkView chunk;
    for (uint64_t i = 0; i < entries && !::testing::Test::HasFatalFailure(); ++i) {
      const auto outcome = output.reader->next(head);
      if (!outcome) return;  // the disk crashed, or an untrusted segment is not repaired yet
      if (*outcome == ReadOutcome::End) {
        ASSERT_EQ(output.position, std::max(next_, output.position));
        return;
      }
      if (*outcome == ReadOutcome::Lost) {
        check_lost(output, output.reader->lost());
        continue;
      }
      ASSERT_LE(head.base.value, output.position);
      ASSERT_GT(head.end().value, output.position);
      ASSERT_EQ(head.routing.route_table, head.base.value);
      ASSERT_EQ(head.routing.marks, fmt::format("marks of {}", head.base.value));
      const uint64_t begin = output.position;
      output.position = head.end().value;
      if (pick(4) == 0) continue;  // "none" for this output
      const auto loaded = output.reader->load(chunk);
      if (!loaded) {
        output.position = begin;
        output.reader->seek(Offset{begin});
        return;
      }
      if (*loaded == ReadOutcome::Lost) {
        output.position = begin;
        check_lost(output, output.reader->lost());
        ASSERT_EQ(output.position, head.end().value);
        continue;
      }
      ASSERT_EQ(chunk.records.size(), head.record_count);
      for (uint32_t record = 0; record < chunk.records.size(); ++record) {
        const auto found = records_.find(chunk.offset(record).value);
        ASSERT_NE(found, records_.end()) << chunk.offset(record).value;
        const std::string text(chunk.record(chunk.records[record]));
        ASSERT_NE(std::ranges::find(found->second.texts, text), found->second.texts.end())
            << "offset " << found->first << ": " << text.substr(0, 40);
      }
    }
  }

  void check_lost(OutputModel& output, const LostRange& lost) {
    ASSERT_EQ(lost.from.value, output.position);
    ASSERT_GT(lost.to.value, lost.from.value);
    ASSERT_LE(lost.to.value, next_);
    for (uint64_t offset = lost.from.value; offset < lost.to.value; ++offset) {
      if (offset < retired_) continue;
      if (lost.reason == LostRange::Reason::Dropped && offset < journal_->first_offset().value) {
        ASSERT_EQ(options_.when_full, WhenFull::DropOldest) << offset;
        continue;
      }
      const auto found = records_.find(offset);
      // A repair may have found it lost, and have to be tried again for another reason.
      ASSERT_TRUE(found == records_.end() || found->second.may_be_lost ||
                  journal_->lost_before_sync(Offset{offset}, Offset{offset + 1}))
          << "lost " << offset;
    }
    output.position = lost.to.value;
  }

  void save(OutputModel& output, bool durable) {
    const Checkpoint checkpoint{.identity = output.identity,
                                .low_water = Offset{output.position},
                                .groups = {{.key = "group", .delivered = Offset{output.position}}},
                                .counters = {{.name = "records", .value = output.position}}};
    if (output.save_in_doubt) return;  // one at a time; a restart settles it
    const Status saved = journal_->save_checkpoint(checkpoint, durable);
    output.saves.push_back(output.position);
    if (!saved) {
      output.save_in_doubt = true;
    } else if (durable) {
      output.saves = {output.position};
      output.has_durable_save = true;
    }
    retired_ = std::max(retired_, journal_->first_offset().value);
    for (const OutputModel& other : outputs_) check_retained(other.position);
  }

  // Nothing from `position` on may be deleted, but for what was lost before.
  void check_retained(uint64_t position) {
    if (options_.when_full != WhenFull::Block) return;
    for (uint64_t offset = position; offset < journal_->first_offset().value; ++offset) {
      const auto found = records_.find(offset);
      ASSERT_TRUE(found == records_.end() || found->second.may_be_lost) << "deleted " << offset;
    }
  }

  void sync() {
    const uint64_t to = next_ == 0 ? 0 : pick(next_ + 1);
    const Offset durable = journal_->durable_offset();
    if (journal_->sync_to(Offset{to})) {
      ASSERT_GE(journal_->durable_offset().value, to);
    } else {
      ASSERT_EQ(journal_->durable_offset(), durable);
    }
  }

  void restart(Crash crash) {
    uint64_t durable = journal_->durable_offset().value;
    if (failed_) {
      // It was repaired in the very call that the disk crashed in, perhaps, and may have failed
      // again since.
      for (auto& [offset, record] : records_) {
        if (!journal_->lost_before_sync(Offset{offset}, Offset{offset + 1})) continue;
        record.may_be_lost = true;
        receipts_in_doubt_ = true;
      }
    }
    failed_ = journal_->failed();
    if (durable <= nameless_) durable = 0;
    for (OutputModel& output : outputs_) output.reader.reset();
    journal_.reset();
    untrusted_left_ = false;
    for (const std::string& name : disk_.names()) untrusted_left_ |= name.starts_with("untrusted");
    disk_.restart(crash);
    if (crash == Crash::PowerLoss || failed_) {
      for (auto& [offset, record] : records_) record.may_be_lost |= offset >= durable;
    }
    if (bit_rot_ && pick(3) == 0) flip_a_bit();
    open(durable, crash);
  }

  void flip_a_bit() {
    const std::vector<std::string> names = disk_.list("/j").value();
    std::vector<std::string> segments;
    for (const std::string& name : names) {
      if (parse_segment_file_name(name)) segments.push_back(name);
    }
    if (segments.empty()) return;
    const Path path = Path("/j") / segments[pick(segments.size())];
    std::string bytes = disk_.contents(path);
    if (bytes.empty()) return;
    const size_t at = pick(bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << pick(8)));
    disk_.set_contents(path, bytes);
    for (auto& [offset, record] : records_) record.may_be_lost = true;
    rotten_ = true;
  }

  void open(uint64_t durable = 0, Crash crash = Crash::ProcessKilled) {
    bool power_lost = crash == Crash::PowerLoss;
    for (int attempt = 0;; ++attempt) {
      ASSERT_LT(attempt, 20);
      if (attempt == 0 && pick(10) == 0) disk_.crash_after(1 + pick(6));
      auto opened = Journal::open(options_, &disk_, clock_);
      if (opened) {
        journal_ = *std::move(opened);
        break;
      }
      // Recovery itself was interrupted; it must work out the next time.
      const Crash again = pick(2) == 0 ? Crash::PowerLoss : Crash::ProcessKilled;
      power_lost |= again == Crash::PowerLoss;
      if (again == Crash::PowerLoss) {
        for (auto& [offset, record] : records_) record.may_be_lost |= offset >= durable;
      }
      disk_.restart(again);
      disk_.set_capacity(UINT64_MAX);
    }
    // What only the cache held may have left it.
    const bool cache_lost = disk_.failed_syncs() != failed_syncs_at_open_ || untrusted_left_;
    failed_syncs_at_open_ = disk_.failed_syncs();
    const bool records_in_doubt = std::exchange(failed_, false) || power_lost;
    compare(durable, power_lost, records_in_doubt, power_lost || cache_lost);
    // The cache has lost all of the only segment, and a checkpoint that is not on stable storage is
    // all that knows how far the offsets were used: none of the records ever was.
    if (records_in_doubt && journal_->bytes() == 0) nameless_ = journal_->durable_offset().value;
    // The planned crash came late, while the outputs registered.
    if (disk_.crashed() && !::testing::Test::HasFatalFailure())
      return restart(pick(2) == 0 ? Crash::PowerLoss : Crash::ProcessKilled);
    if (!records_in_doubt || ::testing::Test::HasFatalFailure()) return;
    if (journal_->failed()) return;
    if (cache_lost) verify_repaired(durable, false);
  }

  // What the reopened journal says, against the model; the model then follows it.
  void compare(uint64_t durable, bool power_lost, bool records_in_doubt, bool saves_in_doubt) {
    const uint64_t appended = journal_->appended_offset().value;
    if (!rotten_) {
      ASSERT_GE(appended, records_in_doubt ? durable : next_);
      ASSERT_LE(journal_->durable_offset().value, appended);
    }
    if (appended > next_) {
      for (const Doubt& doubt : doubts_) {
        for (uint64_t i = 0; i < doubt.texts.size() && doubt.base + i < appended; ++i) {
          Record& record = records_[doubt.base + i];
          record.texts.push_back(doubt.texts[i]);
          record.may_be_lost = records_in_doubt;
        }
      }
      // A power loss can bring back the head of a failed append. Its records, which nobody was
      // promised, then count as lost: their offsets are skipped. Reading one of them fails above.
      ASSERT_TRUE(records_in_doubt || records_.contains(appended - 1)) << "appended " << appended;
    }
    doubts_.clear();
    check_receipts(records_in_doubt || rotten_ || std::exchange(receipts_in_doubt_, false));
    records_.erase(records_.lower_bound(appended), records_.end());
    next_ = appended;
    rotten_ = false;

    std::vector<OutputModel> before = std::move(outputs_);
    outputs_.clear();
    for (size_t i = 0; i < kOutputs; ++i) {
      OutputModel output{.identity = fmt::format("output {}", i)};
      const auto loaded = journal_->register_output(output.identity);
      if (!loaded) {
        // The planned crash of open() came late.
        outputs_ = std::move(before);
        if (outputs_.empty()) outputs_.resize(kOutputs);
        return;
      }
      const uint64_t low = loaded->checkpoint.low_water.value;
      output.position = low;
      if (!before.empty() && !before[i].identity.empty()) {
        const OutputModel& old = before[i];
        if (loaded->origin == CheckpointOrigin::New ||
            loaded->origin == CheckpointOrigin::Damaged) {
          const bool saved = saves_in_doubt ? old.has_durable_save
                                            : old.saves.size() > (old.save_in_doubt ? 1u : 0u);
          ASSERT_FALSE(saved) << "the checkpoint is gone";
        } else {
          ASSERT_NE(std::ranges::find(old.saves, low), old.saves.end()) << "never saved: " << low;
          if (!saves_in_doubt && !old.save_in_doubt) {
            ASSERT_EQ(low, old.saves.back());
          }
          ASSERT_EQ(loaded->checkpoint.counters[0].value, low);
          // After a power loss what was found is what is on stable storage.
          output.saves = {low};
          output.has_durable_save = old.has_durable_save || power_lost;
          if (!power_lost) {
            output.saves = old.saves;
            output.saves.push_back(low);
          }
        }
        ASSERT_LE(loaded->checkpoint.highest().value, appended);
        check_retained(low);
      }
      output.reader = journal_->make_reader(Offset{low});
      outputs_.push_back(std::move(output));
    }
  }

  bool holds_a_record() {
    const std::unique_ptr<JournalReader> reader = journal_->make_reader(journal_->first_offset());
    EntryHead head;
    ChunkView chunk;
    for (;;) {
      const auto outcome = reader->next(head);
      if (!outcome || *outcome == ReadOutcome::End) return false;
      if (*outcome == ReadOutcome::Lost) continue;
      const auto loaded = reader->load(chunk);
      if (loaded && *loaded == ReadOutcome::Entry) return true;
    }
  }

  // After a kill the newest receipts are all there. What a power loss or rot took with its records
  // may be missing, and a failed append may have left its own.
  void check_receipts(bool some_lost) {
    const std::vector<Receipt> found = journal_->take_receipts();
    std::vector<Receipt> known;
    for (const Receipt& receipt : found) {
      if (std::ranges::find(receipts_, receipt) != receipts_.end()) known.push_back(receipt);
    }
    // What is found and not known was in doubt: only the last append can have been. Where a segment
    // lost its records, those of the one before are found again, which an earlier open had passed.
    const auto unknown = std::ranges::count_if(found, [&](const Receipt& receipt) {
      // Where acks do not wait for a sync, a later entry may carry the receipt of one that was
      // lost.
      const bool any = some_lost || receipts_lost_;
      const std::vector<Receipt>& acknowledged = any ? every_receipt_ : receipts_;
      return std::ranges::find(acknowledged, receipt) == acknowledged.end();
    });
    ASSERT_LE(unknown, 3);
    for (const Receipt& lost : lost_receipts_) {
      if (options_.sync != SyncMode::Full) break;
      ASSERT_EQ(std::ranges::find(found, lost), found.end()) << "a lost request counts as stored";
    }
    ASSERT_TRUE(std::ranges::is_sorted(known, {}, &Receipt::low));
    // A kill right after a full journal has given up its last segment takes them along; a segment
    // file without a whole entry may be left.
    if (!some_lost && holds_a_record()) {
      constexpr size_t kCarriedAtLeast = kJournalBytesMin / 8 / 16 / kReceiptBytes;
      const size_t least = std::min(receipts_.size(), kCarriedAtLeast);
      ASSERT_GE(known.size(), least);
      ASSERT_TRUE(std::equal(known.end() - static_cast<ptrdiff_t>(least), known.end(),
                             receipts_.end() - static_cast<ptrdiff_t>(least)));
    }
    receipts_ = found;
    // Those from behind damage are in memory only until the next append: the segments they were
    // found in may be deleted before.
    receipts_in_doubt_ = some_lost;
    every_receipt_.insert(every_receipt_.end(), found.begin(), found.end());
  }

  std::mt19937_64 random_;
  FakeFileSystem disk_;
  JournalOptions options_;
  bool bit_rot_ = false;
  bool rotten_ = false;  // damaged since the last open
  ManualClock clock_;
  bool failed_ = false;       // an fsync has failed, and is not repaired yet
  uint64_t failed_from_ = 0;  // durable_offset() then, and
  uint64_t failed_next_ = 0;  // next_
  uint64_t failed_syncs_at_open_ = 0;
  uint64_t nameless_ = 0;        // up to here durable_offset() says little
  bool untrusted_left_ = false;  // of the process before: not written again yet
  bool receipts_in_doubt_ = false;
  bool receipts_lost_ = false;  // some, in a repair
  std::unique_ptr<Journal> journal_;
  std::vector<OutputModel> outputs_;
  std::map<uint64_t, Record> records_;
  std::vector<Doubt> doubts_;
  std::vector<Receipt> receipts_;       // oldest first, as far as they must or may be found
  std::vector<Receipt> every_receipt_;  // of appends that were, or may have been, successful
  std::vector<Receipt> lost_receipts_;  // of requests that the disk took before they were synced
  uint64_t next_ = 0;
  uint64_t retired_ = 0;  // highest first_offset() ever seen
  uint64_t serial_ = 0;
};

TEST(JournalModel, BehavesAsPromised) {
  const LogLevel level = log_level();
  set_log_level(LogLevel::Off);
  const uint64_t operations = environment("NOROSHI_MODEL_OPERATIONS", kOperationsDefault);
  // A seed alone is a replay of that one; with a number of operations it is where they begin.
  const bool replay = std::getenv("NOROSHI_MODEL_SEED") != nullptr &&
                      std::getenv("NOROSHI_MODEL_OPERATIONS") == nullptr;
  const uint64_t first = environment("NOROSHI_MODEL_SEED", 0);
  const uint64_t seeds = replay ? 1 : std::max<uint64_t>(1, operations / kOperationsPerSeed);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE(fmt::format("replay: ./dev crash --seed {}", seed));
    Model(seed).run();
    if (HasFailure()) break;
  }
  set_log_level(level);
}

}  // namespace
}  // namespace noroshi
