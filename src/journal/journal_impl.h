// What Journal::open() makes. Only journal.cc and journal_sync.cc include it: the former appends,
// fills up, and reads; the latter syncs, fails, and repairs.
#pragma once

#include <deque>

#include "base/log.h"
#include "base/mutex.h"
#include "journal/journal.h"
#include "journal/journal_format.h"
#include "journal/reader.h"
#include "journal/recovery.h"
#include "journal/repair.h"
#include "journal/retention.h"
#include "journal/segment.h"

// Locks, in the order they are taken:
//   append_mutex_  the one writer: active file, encoder, full episode
//   sync_mutex_    one fsync at a time; who waits for it usually finds the work done; repair
//   Retention's    checkpoints and deletion
//   SegmentList's  the list; held for nanoseconds
//   problem_mutex_, loss_mutex_  texts for health; what was lost
// Readers take none of them to read within a segment.
namespace noroshi {

inline constexpr std::string_view kJournalComponent = "journal";

[[nodiscard]] std::string in_mib(uint64_t bytes);

class JournalImpl final : public Journal {
 public:
  JournalImpl(JournalOptions options, FileSystem& files, std::unique_ptr<FileSystem> owned_files,
              std::unique_ptr<FileLock> lock, const Clock& clock, RecoveredJournal recovered);

  Result<Offset> append(const ChunkView& chunk, const Routing& routing,
                        std::span<const Receipt> receipts) override EXCLUDES(append_mutex_);
  Status commit() override EXCLUDES(append_mutex_, sync_mutex_);
  Status sync_to(Offset offset) override EXCLUDES(append_mutex_, sync_mutex_);
  bool lost_before_sync(Offset from, Offset to) const override EXCLUDES(loss_mutex_);
  uint64_t losses_before_sync() const override { return losses_counted_.load(); }
  Offset first_offset() const override { return segments_.first_offset(appended_.load()); }
  Offset appended_offset() const override { return appended_.load(); }
  Offset durable_offset() const override { return durable_.load(); }

  Result<LoadedCheckpoint> register_output(std::string_view identity) override;
  void unregister_output(std::string_view identity) override;
  Status save_checkpoint(const Checkpoint& checkpoint, bool durable) override;
  Result<std::vector<LoadedCheckpoint>> orphan_checkpoints() override;
  Status remove_checkpoint(std::string_view identity) override;
  std::unique_ptr<JournalReader> make_reader(Offset from) override;

  const JournalId& id() const override { return id_; }
  bool in_memory() const override { return in_memory_; }
  uint64_t bytes() const override { return segments_.bytes(); }
  uint64_t bytes_max() const override { return options_.bytes_max; }
  uint64_t bytes_from(Offset offset) const override;
  Offset next_segment(Offset offset) const override;
  uint64_t records_dropped() const override { return records_dropped_.load(); }
  bool full() const override { return full_.load(); }
  bool failed() const override { return failed_.load(); }
  std::string problem() const override EXCLUDES(problem_mutex_);
  const JournalRecovery& recovery() const override { return recovery_; }
  std::vector<Receipt> take_receipts() override EXCLUDES(append_mutex_);

 private:
  struct CarriedReceipt {
    Receipt receipt = {};
    Offset base = {};  // of the entry it came with
  };

  Status make_room(uint64_t entry_bytes) REQUIRES(append_mutex_);
  Status check_disk(uint64_t entry_bytes) REQUIRES(append_mutex_);
  Status write(EntryLayout& layout, const ChunkView& chunk, const Routing& routing,
               std::span<const Receipt> receipts) REQUIRES(append_mutex_) EXCLUDES(sync_mutex_);
  Status prepare_segment(uint64_t entry_bytes) REQUIRES(append_mutex_);
  Status open_segment() REQUIRES(append_mutex_);
  void seal() REQUIRES(append_mutex_);
  bool drop_oldest() REQUIRES(append_mutex_) EXCLUDES(sync_mutex_);
  void tell_before_drop(const SegmentPointer& oldest) REQUIRES(append_mutex_);
  void remember(std::span<const Receipt> receipts, Offset base) REQUIRES(append_mutex_);
  void publish(uint64_t entry_bytes, Offset end) REQUIRES(append_mutex_);
  void begin_full(const Error& error) REQUIRES(append_mutex_);
  void end_full() REQUIRES(append_mutex_);
  void begin_broken(const Error& error) REQUIRES(append_mutex_);
  void end_broken() REQUIRES(append_mutex_);
  void set_problem(std::string problem) EXCLUDES(problem_mutex_);
  Status sync_appended(Offset offset) EXCLUDES(sync_mutex_);
  Status sync_segments(Offset target) REQUIRES(sync_mutex_);
  Status sync_segment(Segment& segment) REQUIRES(sync_mutex_);
  Status sync_names() REQUIRES(sync_mutex_);
  void close_writers() REQUIRES(append_mutex_);

  Error begin_failed(const std::string& reason) REQUIRES(sync_mutex_);
  void note_untrusted() REQUIRES(sync_mutex_);
  void set_sync_problem(const std::string& reason) EXCLUDES(problem_mutex_);
  [[nodiscard]] bool repair_is_due() const { return clock_.monotonic() >= next_repair_.load(); }
  Status repair() REQUIRES(append_mutex_) EXCLUDES(sync_mutex_);
  Status try_repair() REQUIRES(append_mutex_, sync_mutex_);
  Status repair_segment(Segment& segment) REQUIRES(append_mutex_, sync_mutex_);
  void count_loss(OffsetRange lost) REQUIRES(append_mutex_, sync_mutex_) EXCLUDES(loss_mutex_);
  void end_failed() REQUIRES(append_mutex_, sync_mutex_);

  const JournalOptions options_;
  const std::unique_ptr<FileSystem> owned_files_;
  FileSystem& files_;
  const std::unique_ptr<FileLock> lock_;
  const Clock& clock_;
  const JournalId id_;
  const JournalRecovery recovery_;
  const bool in_memory_;

  SegmentList segments_;
  Retention retention_;
  std::atomic<Offset> appended_;
  std::atomic<Offset> durable_;
  std::atomic<uint64_t> records_dropped_{0};
  std::atomic<bool> full_{false};
  std::atomic<bool> failed_{false};
  std::atomic<bool> directory_changed_{true};  // a segment was made since the directory was synced

  Mutex append_mutex_;
  SegmentPointer active_ GUARDED_BY(append_mutex_);
  std::shared_ptr<File> file_ GUARDED_BY(append_mutex_);  // of active_
  bool uncut_ GUARDED_BY(append_mutex_) = false;  // a failed append left bytes behind in file_
  EntryEncoder encoder_ GUARDED_BY(append_mutex_);
  std::deque<CarriedReceipt> carried_ GUARDED_BY(append_mutex_);
  std::vector<Receipt> recovered_receipts_ GUARDED_BY(append_mutex_);
  std::vector<Receipt> first_receipts_ GUARDED_BY(append_mutex_);
  uint64_t unchecked_bytes_ GUARDED_BY(append_mutex_) = 0;
  Monotonic full_since_ GUARDED_BY(append_mutex_) = {};
  Monotonic last_drop_ GUARDED_BY(append_mutex_) = {};
  bool full_logged_ GUARDED_BY(append_mutex_) = false;
  LogEpisode full_episode_;
  uint64_t dropped_at_full_ GUARDED_BY(append_mutex_) = 0;
  bool broken_ GUARDED_BY(append_mutex_) = false;  // the last append failed, not for want of room
  Monotonic broken_since_ GUARDED_BY(append_mutex_) = {};
  uint64_t broken_attempts_ GUARDED_BY(append_mutex_) = 0;
  bool broken_logged_ GUARDED_BY(append_mutex_) = false;
  LogEpisode broken_episode_;

  Mutex sync_mutex_;
  std::atomic<Monotonic> next_repair_{Monotonic{}};
  Nanoseconds repair_wait_ GUARDED_BY(sync_mutex_) = kRepairWaitMin;
  uint32_t repair_attempts_ GUARDED_BY(sync_mutex_) = 0;
  Monotonic failed_since_ GUARDED_BY(sync_mutex_) = {};
  uint64_t rewritten_bytes_ GUARDED_BY(sync_mutex_) = 0;  // of this failure, as are the two below
  uint64_t rewritten_records_ GUARDED_BY(sync_mutex_) = 0;
  uint64_t lost_records_ GUARDED_BY(sync_mutex_) = 0;
  bool failed_logged_ GUARDED_BY(sync_mutex_) = false;
  LogEpisode failed_episode_;

  mutable Mutex loss_mutex_;
  std::vector<OffsetRange> losses_ GUARDED_BY(loss_mutex_);  // in order
  std::atomic<uint64_t> losses_counted_{0};

  mutable Mutex problem_mutex_;
  std::string problem_ GUARDED_BY(problem_mutex_);
  std::string sync_problem_ GUARDED_BY(problem_mutex_);  // comes before the other
};

}  // namespace noroshi
