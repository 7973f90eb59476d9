// DeliveryWorker: the one delivery loop, one instance and one thread per output.
//
//   cursor ─▶ select ─▶ group ─▶ batch ─▶ one attempt ─▶ checkpoint
//                                  ▲            │
//                                  └── Retry ◀──┘   Rejected, retries used up ─▶ dead letters
//
// It reads the journal in order, sorts the records its output takes into groups, closes a batch
// when the output says it is full, when it is old enough, when nothing more is waiting or when the
// journal runs short of room, and sends it until it is Delivered or given up. While one batch is
// being retried nothing else of this output is sent: the journal holds the rest, other outputs do
// not notice, and order is kept.
//
// Exactly where a restart continues: low water = the first offset of the oldest open batch (or the
// cursor); each group also remembers how far it is delivered, so records above low water that are
// delivered already are skipped. Batches therefore begin at the same offsets again, which is what
// makes S3 keys repeatable.
//
// Memory: one batch per open group (the output bounds both), one read buffer; nothing grows with
// the backlog. Threading: public functions may be called from any thread, start() first, left()
// last.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "journal/journal_reader.h"
#include "output/output.h"
#include "pipeline/dead_letter.h"
#include "pipeline/delivery_health.h"
#include "pipeline/delivery_settings.h"
#include "pipeline/retry_policy.h"
#include "pipeline/router.h"
#include "pipeline/send_rate.h"

namespace noroshi {

// One attempt may take this long; an output sets shorter deadlines for its single requests.
inline constexpr Nanoseconds kAttemptDeadline = std::chrono::minutes(5);
// A batch that goes out "when nothing more is waiting" goes at this age even while a backlog is
// read.
inline constexpr Nanoseconds kCatchUpAgeMax = Seconds(1);

class DeliveryWorker {
 public:
  // Everything referred to outlives the worker.
  DeliveryWorker(DeliverySettings settings, std::unique_ptr<Output> output,
                 std::shared_ptr<const RouteTable> routes, Journal& journal, OutputMetrics& metrics,
                 const Clock& clock);
  ~DeliveryWorker();  // joins; drain() comes first

  // Starts the thread where `checkpoint` (Journal::register_output) says. A damaged one goes back
  // to the oldest offset the journal still has: rather twice than never. `count_recovered`: not
  // after a reload, which routed what waits there.
  void start(const LoadedCheckpoint& checkpoint, bool count_recovered = false);
  // Closes and sends all open batches soon, as an operator asks.
  void deliver_now();
  // Shutdown: no more chunks come. Delivers everything, ignoring ages, until `deadline`, which a
  // second call may bring forward; a request under way ends then, the rest is kept.
  void drain(Monotonic deadline);
  // A reload, when the same output goes on in another worker: ends after the request under way,
  // or in the middle of it at `deadline`. What is open is built again from the journal.
  void leave(Monotonic deadline);
  // A reload, when the output is gone: drain(), but only of records below `end`.
  void drain_to(Offset end, Monotonic deadline);
  [[nodiscard]] bool started() const { return reader_ != nullptr; }
  // True when the thread has nothing more to do: join() does not wait.
  [[nodiscard]] bool finished() const { return finished_.load(); }
  void join();
  // A reload that leaves this output as it is: its number in the new table. The output's own route
  // must be equal in both.
  void set_routes(std::shared_ptr<const RouteTable> routes, size_t output_index);

  [[nodiscard]] DeliveryState state() const { return health_.state(); }
  // Records of this output still undelivered; scans the journal, and stops counting at `until`.
  // Nothing if it cannot be read. Only after join().
  [[nodiscard]] std::optional<UndeliveredRecords> left(Monotonic until = Monotonic::max());
  [[nodiscard]] int shutdown_order() const { return output_->shutdown_order(); }

 private:
  struct Group;
  struct Selection {  // which records are for this output
    std::shared_ptr<const RouteTable> routes;
    size_t output = 0;
  };
  enum class Progress {
    Continue,
    Rewound,  // a batch was discarded; the cursor went back to its first record
    Stop,     // the drain deadline passed
  };

  void run();
  void pause_unreadable(const Error& error);
  Progress process(const EntryHead& head);
  Progress feed(Group& group, const ChunkView& chunk, Timestamp appended_at);
  Progress deliver_due(bool caught_up);
  Progress deliver(Group& group);
  Progress attempt_until_settled(Group& group);
  Progress discard_and_rewind(Group& group, Offset from, const Error& error);
  void settle(Group& group);
  void give_up(Group& group, DropReason reason, const std::string& detail);
  void bury(Offset from, Offset to, const Group* group, DropReason reason, std::string_view detail,
            std::span<const Offset> others = {});
  void count_rejected(const std::vector<RejectedRecord>& rejected, std::string_view detail);
  Offset distribute(const ChunkView& chunk, Offset end);
  Group& group_of(std::string_view key);
  void forget_idle_groups();
  Progress close_if_crowded(uint32_t open_max);
  void account_for_lost(const LostRange& lost);
  void account_for_damaged(const EntryHead& head);
  void account_at_end();
  void compare_accounts();
  std::optional<UndeliveredRecords> count_undelivered(Offset end, Monotonic until, bool with_lost);
  void update_lag(bool caught_up);
  Progress save_checkpoint();
  bool sleep(Nanoseconds wait);
  void wait_for_more(const Arrivals::Seen& seen);
  void wake();
  [[nodiscard]] Selection selection() const;
  [[nodiscard]] Offset low_water() const;
  [[nodiscard]] Monotonic due_at(const Group& group, bool caught_up) const;
  [[nodiscard]] bool expired() const;
  [[nodiscard]] bool idle() const;
  [[nodiscard]] Monotonic attempt_deadline() const;

  DeliverySettings settings_;
  std::unique_ptr<Output> output_;
  Journal& journal_;
  DeadLetters dead_letters_;
  OutputMetrics& metrics_;
  const Clock& clock_;
  DeliveryHealth health_;
  RetryPolicy retry_policy_;
  SendRate rate_;
  BatchLimits limits_;
  std::shared_ptr<OutputAccount> account_;
  std::shared_ptr<Arrivals> arrivals_;

  // Delivery thread only.
  std::unique_ptr<JournalReader> reader_;
  Offset cursor_;  // the next record to read
  std::map<std::string, std::unique_ptr<Group>, std::less<>> groups_;
  std::vector<uint32_t> selected_;
  std::vector<std::string_view> keys_;
  std::vector<Group*> touched_;
  std::vector<RejectedRecord> rejected_;
  uint64_t recovered_lost_ = 0;  // in ranges that cannot be read
  Checkpoint saved_;
  Monotonic saved_at_{};
  Timestamp read_appended_at_{};  // append time of the entry read last
  uint64_t losses_before_read_ = 0;
  LogEpisode lost_episode_, read_episode_, batch_episode_, checkpoint_episode_, give_up_episode_;

  std::atomic<bool> deliver_now_{false}, draining_{false}, leaving_{false}, finished_{false};
  std::atomic<uint64_t> end_{UINT64_MAX};  // drain_to()
  std::atomic<int64_t> drain_deadline_ns_{INT64_MAX};
  mutable Mutex mutex_;
  ConditionVariable wake_;
  Selection selection_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace noroshi
