#include "pipeline/delivery.h"

#include <algorithm>

#include "base/fingerprint.h"
#include "base/thread_deadline.h"
#include "base/thread_name.h"
#include "pipeline/delivery_group.h"

namespace noroshi {
namespace {

// A journal is read in so many pieces at least.
constexpr uint64_t kReadsPerJournalMin = 64;
// How often progress without deliveries (records that are not for this output) is checkpointed.
constexpr Nanoseconds kIdleCheckpointInterval = Seconds(1);
// Groups without an open batch remembered for their request interval and delivered offset.
constexpr size_t kIdleGroupsMax = 128;
constexpr Nanoseconds kIdleGroupAge = Seconds(10);
// Groups one pass over a chunk may touch.
constexpr size_t kGroupsPerPass = 64;
static_assert(kIdleGroupsMax + kGroupsPerPass <= kCheckpointGroupsMax);
// A full journal does not wait for old batches longer than this: sending them makes room.
constexpr Nanoseconds kFullJournalAge = Seconds(5);
// A batch that waits for its age is sent early when this output's backlog passes this share of the
// journal.
constexpr uint64_t kEarlyClosePercent = 50;
constexpr Nanoseconds kTroublePause = Seconds(1);
// Records refused while encoding that a batch remembers; then it is sent.
constexpr size_t kRejectedMax = 4096;
// Counting what a start finds waiting reads the heads of a backlog that may be gigabytes.
constexpr Nanoseconds kCountRecoveredMax = Seconds(2);

Nanoseconds nanoseconds_since_epoch(Timestamp time) { return time.time_since_epoch(); }

}  // namespace

std::string bounded_key(std::string_view text) {
  if (text.size() <= kCheckpointKeyBytesMax) return std::string(text);
  Fingerprint fingerprint;
  fingerprint.add(text);
  return fmt::format("{}#{:016x}", text.substr(0, kCheckpointKeyBytesMax - 17),
                     fingerprint.value());
}

DeliveryWorker::DeliveryWorker(DeliverySettings settings, std::unique_ptr<Output> output,
                               std::shared_ptr<const RouteTable> routes, Journal& journal,
                               OutputMetrics& metrics, const Clock& clock)
    : settings_(std::move(settings)),
      output_(std::move(output)),
      journal_(journal),
      dead_letters_(settings_.dead_letter_directory, settings_.instance),
      metrics_(metrics),
      clock_(clock),
      health_(settings_.instance, metrics, clock),
      retry_policy_(settings_.retry_limit.has_value(), settings_.scheduler_base,
                    settings_.scheduler_cap, std::random_device{}()),
      limits_(output_->limits()),
      account_(settings_.account ? settings_.account : std::make_shared<OutputAccount>()),
      arrivals_(settings_.arrivals ? settings_.arrivals : std::make_shared<Arrivals>()),
      selection_{std::move(routes), settings_.output_index} {}

DeliveryWorker::~DeliveryWorker() { join(); }

void DeliveryWorker::start(const LoadedCheckpoint& loaded, bool count_recovered) {
  saved_ = loaded.checkpoint;
  saved_.identity = settings_.identity;
  cursor_ = saved_.low_water;
  for (const Checkpoint::Group& saved : saved_.groups) {
    Group& group = group_of(saved.key);
    group.next = group.delivered = saved.delivered;
  }
  reader_ = journal_.make_reader(cursor_);
  account_->set_place(cursor_, cursor_);
  if (count_recovered && cursor_ < journal_.appended_offset()) {
    const auto found = count_undelivered(journal_.appended_offset(),
                                         clock_.monotonic() + kCountRecoveredMax, true);
    if (!found || found->at_least) account_->set_inexact();
    if (found) account_->recovered.add(found->count);
  }
  if (loaded.origin == CheckpointOrigin::New) {
    // A file from the first moment: `noroshi journal ls` shows every output and its lag.
    if (const Status made = journal_.save_checkpoint(saved_, false); !made) {
      log_warn("output:" + settings_.instance, "cannot save the checkpoint: {}",
               made.error().message);
    }
  }
  if (const uint64_t backlog = journal_.bytes_from(cursor_); backlog > 0) {
    log_info("output:" + settings_.instance,
             "continues at record {} with {:.1f} MB waiting in the journal", cursor_.value,
             static_cast<double>(backlog) / 1e6);
  }
  thread_ = std::thread([this] { run(); });
}

void DeliveryWorker::wake() {
  arrivals_->wake();
  MutexLock lock(mutex_);
  wake_.notify_all();
}

void DeliveryWorker::deliver_now() {
  deliver_now_.store(true);
  wake();
}

void DeliveryWorker::drain(Monotonic deadline) {
  drain_deadline_ns_.store(deadline.time_since_epoch().count());
  draining_.store(true);
  wake();
}

void DeliveryWorker::leave(Monotonic deadline) {
  drain_deadline_ns_.store(deadline.time_since_epoch().count());
  leaving_.store(true);
  wake();
}

void DeliveryWorker::drain_to(Offset end, Monotonic deadline) {
  end_.store(end.value);
  drain(deadline);
}

void DeliveryWorker::set_routes(std::shared_ptr<const RouteTable> routes, size_t output_index) {
  MutexLock lock(mutex_);
  selection_ = {std::move(routes), output_index};
}

DeliveryWorker::Selection DeliveryWorker::selection() const {
  MutexLock lock(mutex_);
  return selection_;
}

void DeliveryWorker::join() {
  if (thread_.joinable()) thread_.join();
}

bool DeliveryWorker::expired() const {
  if (leaving_.load()) return true;
  return draining_.load() &&
         clock_.monotonic().time_since_epoch().count() >= drain_deadline_ns_.load();
}

bool DeliveryWorker::idle() const {
  return std::none_of(groups_.begin(), groups_.end(),
                      [](const auto& item) { return item.second->batch != nullptr; });
}

Monotonic DeliveryWorker::attempt_deadline() const {
  const Monotonic drain_deadline{Nanoseconds(drain_deadline_ns_.load())};
  return std::min(clock_.monotonic() + kAttemptDeadline, drain_deadline);
}

// ---- the loop

void DeliveryWorker::run() {
  name_this_thread(settings_.instance);
  const ThreadDeadline scope(drain_deadline_ns_);  // drain() cuts short what is under way
  output_->start(metrics_);
  while (!expired()) {
    const Arrivals::Seen seen = arrivals_->seen();
    health_.begin_until(clock_.monotonic());
    losses_before_read_ = journal_.losses_before_sync();
    EntryHead head;
    const Result<ReadOutcome> outcome = reader_->next(head);
    if (!outcome) {
      pause_unreadable(outcome.error());
      continue;
    }
    Progress progress = Progress::Continue;
    bool caught_up = *outcome == ReadOutcome::End;
    if (*outcome == ReadOutcome::Entry) {
      progress = process(head);
    } else if (*outcome == ReadOutcome::Lost) {
      const LostRange lost = reader_->lost();
      account_for_lost(lost);
      cursor_ = std::max(cursor_, lost.to);
    }
    if (progress == Progress::Continue) progress = deliver_due(caught_up);
    if (progress == Progress::Stop) break;
    account_->set_place(low_water(), cursor_);
    // Sending may have taken minutes, and the journal has grown meanwhile.
    caught_up = caught_up && cursor_ >= journal_.appended_offset();
    update_lag(caught_up);
    if (clock_.monotonic() - saved_at_ >= kIdleCheckpointInterval &&
        low_water() != saved_.low_water) {
      if (save_checkpoint() == Progress::Stop) break;
    }
    if (!caught_up) continue;
    if (draining_.load() && idle()) break;
    wait_for_more(seen);
  }
  update_lag(low_water() == journal_.appended_offset());
  if (low_water() != saved_.low_water) static_cast<void>(save_checkpoint());
  if (!leaving_.load()) account_at_end();
  health_.end();
  for (auto& [key, group] : groups_) {
    group->batch.reset();
    group->rejected.clear();
  }
  output_->stop();
  finished_.store(true);
}

// Everything is read. The first record of a batch that will go out at once is worth waking up for;
// while batches wait for their time, or if they always do, the rest can be read then.
void DeliveryWorker::wait_for_more(const Arrivals::Seen& seen) {
  Monotonic until = clock_.monotonic() + kIdleCheckpointInterval;
  bool open = false;
  for (const auto& [key, group] : groups_) {
    if (!group->batch) continue;
    open = true;
    until = std::min(until, due_at(*group, true));
  }
  const bool for_records = !open && limits_.age_max == Nanoseconds(0);
  // A small journal must not be full before its outputs have looked.
  const uint64_t bytes = std::min(kArrivedBytesMax, journal_.bytes_max() / kReadsPerJournalMin);
  if (!arrivals_->wait(seen, until, for_records, bytes) && cursor_ == journal_.appended_offset())
    compare_accounts();
}

// Before the journal is read once more.
void DeliveryWorker::pause_unreadable(const Error& error) {
  if (const uint64_t times = read_episode_.admit()) {
    log_error("output:" + settings_.instance,
              "cannot read the journal, trying again: {} ({} times)", error.message, times);
  }
  sleep(kTroublePause);
}

DeliveryWorker::Progress DeliveryWorker::process(const EntryHead& head) {
  read_appended_at_ = head.appended_at;
  const auto [routes, number] = selection();
  if (routes->selects_none(number, head.routing.route_table, head.routing.marks)) {
    cursor_ = head.end();
    return Progress::Continue;
  }
  ChunkView chunk;
  const Result<ReadOutcome> loaded = reader_->load(chunk);
  if (!loaded) {
    reader_->seek(head.base);
    pause_unreadable(loaded.error());
    return Progress::Rewound;
  }
  if (*loaded == ReadOutcome::Lost) {
    if (reader_->lost().reason == LostRange::Reason::Dropped)
      account_for_lost(reader_->lost());
    else
      account_for_damaged(head);
    cursor_ = head.end();
    return Progress::Continue;
  }
  const Status chosen =
      routes->select(number, head.routing.route_table, head.routing.marks, chunk, selected_);
  if (!chosen) {  // the CRC matched, so this is a bug of the writer; deliver rather than lose
    log_error("output:" + settings_.instance, "records {} to {}: {}; all of them are delivered",
              head.base.value, head.end().value, chosen.error().message);
    selected_.resize(chunk.records.size());
    for (uint32_t i = 0; i < selected_.size(); ++i) selected_[i] = i;
  }
  for (;;) {
    const Offset to = distribute(chunk, head.end());
    for (Group* group : touched_) {
      const Progress progress = feed(*group, chunk, head.appended_at);
      if (progress != Progress::Continue) return progress;
    }
    cursor_ = to;
    if (to == head.end()) return Progress::Continue;
    // More groups than the checkpoint can name (records of hundreds of hours, say): settle these
    // first.
    while (!idle()) {
      if (const Progress progress = close_if_crowded(0); progress != Progress::Continue)
        return progress;
    }
    forget_idle_groups();
  }
}

// Sorts selected_ into the groups' `pending`, leaving out what a group has already. Returns the
// offset up to which it came: the end, or the record that would open one group more than
// kGroupsPerPass.
Offset DeliveryWorker::distribute(const ChunkView& chunk, Offset end) {
  touched_.clear();
  std::erase_if(selected_, [&](uint32_t index) { return chunk.offset(index) < cursor_; });
  if (selected_.empty()) return end;
  keys_.clear();
  output_->group(chunk, selected_, keys_);
  CHECK(keys_.size() == selected_.size(), "an output names a group for every record");
  Group* group = nullptr;
  std::string_view previous;
  for (size_t i = 0; i < selected_.size(); ++i) {
    if (group == nullptr || keys_[i].data() != previous.data() ||
        keys_[i].size() != previous.size()) {
      previous = keys_[i];
      group = &group_of(previous);
      if (std::find(touched_.begin(), touched_.end(), group) == touched_.end()) {
        if (touched_.size() == kGroupsPerPass) return chunk.offset(selected_[i]);
        group->pending.clear();
        touched_.push_back(group);
      }
    }
    if (chunk.offset(selected_[i]) >= group->next) group->pending.push_back(selected_[i]);
  }
  return end;
}

DeliveryWorker::Group& DeliveryWorker::group_of(std::string_view key) {
  std::string shortened;
  if (key.size() > kCheckpointKeyBytesMax) key = shortened = bounded_key(key);
  const auto found = groups_.find(key);
  if (found != groups_.end()) return *found->second;
  auto group = std::make_unique<Group>();
  group->key = key;
  return *groups_.emplace(std::string(key), std::move(group)).first->second;
}

DeliveryWorker::Progress DeliveryWorker::feed(Group& group, const ChunkView& chunk,
                                              Timestamp appended_at) {
  std::span<const uint32_t> pending = group.pending;
  while (!pending.empty()) {
    const Offset from = chunk.offset(pending.front());
    if (!group.batch) {
      if (const Progress progress = close_if_crowded(limits_.groups_max - 1);
          progress != Progress::Continue)
        return progress;
      Result<std::unique_ptr<Batch>> batch =
          output_->open_batch(group.key, {from, chunk.records[pending.front()].time, chunk.tag});
      if (!batch) return discard_and_rewind(group, from, batch.error());
      group.batch = *std::move(batch);
      group.records = 0;
      group.first = from;
      group.losses = losses_before_read_;
      group.appended_at = appended_at;
      group.opened_at = clock_.monotonic();
    }
    rejected_.clear();
    const bool was_empty = group.records == 0;
    const Result<uint32_t> taken = group.batch->add(chunk, pending, rejected_);
    if (!taken) return discard_and_rewind(group, group.first, taken.error());
    CHECK(*taken <= pending.size() && (*taken > 0 || !was_empty),
          "an empty batch takes its first record");
    if (*taken > 0) group.next = chunk.offset(pending[*taken - 1]) + 1;
    group.records += *taken - static_cast<uint32_t>(rejected_.size());
    group.rejected.insert(group.rejected.end(), rejected_.begin(), rejected_.end());
    pending = pending.subspan(*taken);
    if (!pending.empty() || group.batch->full() || group.records >= limits_.records_max ||
        group.rejected.size() >= kRejectedMax) {
      if (const Progress progress = deliver(group); progress != Progress::Continue) return progress;
    }
  }
  return Progress::Continue;
}

// ---- when to send

Monotonic DeliveryWorker::due_at(const Group& group, bool caught_up) const {
  if (draining_.load() || deliver_now_.load()) return Monotonic::min();
  if (limits_.age_max > Nanoseconds(0)) {
    const uint64_t early = journal_.bytes_max() / 100 * kEarlyClosePercent;
    if (journal_.bytes_from(group.first) > early) return Monotonic::min();
    const Nanoseconds age =
        journal_.full() ? std::min(limits_.age_max, kFullJournalAge) : limits_.age_max;
    return group.opened_at + age;
  }
  const Monotonic ready = caught_up ? group.opened_at : group.opened_at + kCatchUpAgeMax;
  if (group.last_request == Monotonic::min()) return ready;
  return std::max(ready, group.last_request + limits_.request_interval_min);
}

DeliveryWorker::Progress DeliveryWorker::deliver_due(bool caught_up) {
  const Monotonic now = clock_.monotonic();
  for (auto& [key, group] : groups_) {
    if (!group->batch || due_at(*group, caught_up) > now) continue;
    // While draining or delivering on request, what is still unread goes into the same batch first.
    if (!caught_up && (draining_.load() || deliver_now_.load())) continue;
    if (const Progress progress = deliver(*group); progress != Progress::Continue) return progress;
  }
  if (caught_up) deliver_now_.store(false);
  forget_idle_groups();
  // Every group left here is named in the checkpoint, which has room for kCheckpointGroupsMax.
  while (groups_.size() > kIdleGroupsMax && !idle()) {
    if (const Progress progress = close_if_crowded(0); progress != Progress::Continue)
      return progress;
    forget_idle_groups();
  }
  return Progress::Continue;
}

// Sends the oldest open batch if there are more than `open_max`.
DeliveryWorker::Progress DeliveryWorker::close_if_crowded(uint32_t open_max) {
  Group* oldest = nullptr;
  uint32_t open = 0;
  for (auto& [key, group] : groups_) {
    if (!group->batch) continue;
    ++open;
    if (oldest == nullptr || group->first < oldest->first) oldest = group.get();
  }
  return open > open_max ? deliver(*oldest) : Progress::Continue;
}

void DeliveryWorker::forget_idle_groups() {
  if (groups_.size() <= kIdleGroupsMax / 2) return;
  const Offset settled = low_water();
  const Monotonic now = clock_.monotonic();
  std::erase_if(groups_, [&](const auto& item) {
    const Group& group = *item.second;
    if (group.batch || group.delivered > settled) return false;
    return groups_.size() > kIdleGroupsMax || group.last_request == Monotonic::min() ||
           now - group.last_request > kIdleGroupAge;
  });
}

// ---- sending

DeliveryWorker::Progress DeliveryWorker::deliver(Group& group) {
  if (group.records > 0) {
    if (const Progress progress = attempt_until_settled(group); progress != Progress::Continue)
      return progress;
  }
  settle(group);
  return save_checkpoint();
}

DeliveryWorker::Progress DeliveryWorker::attempt_until_settled(Group& group) {
  for (uint32_t attempt = 1;; ++attempt) {
    if (expired()) return Progress::Stop;
    // Of a shutdown's few seconds none are spent on being polite.
    const Nanoseconds spacing = draining_.load() ? Nanoseconds(0) : rate_.wait(clock_.monotonic());
    if (spacing > Nanoseconds(0) && !sleep(spacing)) return Progress::Stop;
    const Monotonic deadline = attempt_deadline();
    health_.begin_until(deadline);
    Delivery delivery;
    const Status durable =
        output_->needs_durable_journal() ? journal_.sync_to(group.next) : Status{};
    // The batch was filled from the cache, and the disk has taken some of it before it was synced.
    // Whoever sent that sends it again, under other offsets: here it would be there twice.
    if (durable && output_->needs_durable_journal() &&
        group.losses != journal_.losses_before_sync() &&
        journal_.lost_before_sync(group.first, group.next)) {
      return discard_and_rewind(
          group, group.first,
          {.code = ErrorCode::Corrupt,
           .message = "the disk has lost some of its records before they were synced"});
    }
    if (durable) {
      group.last_request = clock_.monotonic();
      rate_.sent(group.last_request);
      metrics_.requests.add();
      delivery = output_->deliver(*group.batch, deadline);
    } else {
      delivery = Delivery::retry(RetryClass::Transient,
                                 "the journal cannot be synced: " + durable.error().message);
    }
    if (delivery.outcome == Delivery::Outcome::Delivered) {
      rate_.taken(clock_.monotonic());
      metrics_.records.add(group.records - delivery.rejected.size());
      metrics_.bytes.add(group.batch->bytes());
      metrics_.last_delivery_ns.set(
          static_cast<uint64_t>(nanoseconds_since_epoch(clock_.wall()).count()));
      metrics_.latency.observe(clock_.wall() - group.appended_at);
      count_rejected(delivery.rejected, delivery.reason);
      health_.delivered();
      return Progress::Continue;
    }
    if (delivery.outcome == Delivery::Outcome::Rejected) {
      metrics_.errors.add();
      give_up(group, DropReason::Rejected, delivery.reason);
      return Progress::Continue;
    }
    // A shutdown shortens the waits, and a disk that cannot sync is not the destination's fault:
    // neither may use up the user's limit.
    if (settings_.retry_limit && durable && !draining_.load() && attempt > *settings_.retry_limit) {
      metrics_.retries_failed.add();
      give_up(group, DropReason::RetryLimit, delivery.reason);
      return Progress::Continue;
    }
    if (settings_.total_limit_bytes > 0 &&
        journal_.bytes_from(low_water()) > settings_.total_limit_bytes) {
      give_up(group, DropReason::OutputLimit, delivery.reason);
      return Progress::Continue;
    }
    if (delivery.retry_class == RetryClass::Throttled) rate_.throttled(clock_.monotonic());
    Nanoseconds wait = retry_policy_.wait(delivery, attempt);
    if (draining_.load()) wait = std::min<Nanoseconds>(wait, Seconds(1));
    metrics_.retries.add();
    metrics_.retried_records.add(group.records);
    health_.failed(delivery, wait, group.records, attempt);
    update_lag(false);  // a batch that was full at once was not looked at before
    if (!sleep(wait)) return Progress::Stop;
  }
}

// The batch is delivered or given up: its records are behind us.
void DeliveryWorker::settle(Group& group) {
  count_rejected(group.rejected, "refused while encoding");
  group.rejected.clear();
  group.batch.reset();
  group.records = 0;
  group.delivered = group.next;
}

// The batch cannot be built (a spool's disk is full, say). Its records are read again later; other
// groups keep what they have, because distribute() leaves out records below their `next`.
DeliveryWorker::Progress DeliveryWorker::discard_and_rewind(Group& group, Offset from,
                                                            const Error& error) {
  if (const uint64_t times = batch_episode_.admit()) {
    log_error("output:" + settings_.instance,
              "cannot build a batch, the records are read from the journal again: {} ({} times)",
              error.message, times);
  }
  const Offset first = group.batch ? group.first : from;
  group.batch.reset();
  group.rejected.clear();
  group.records = 0;
  group.next = group.delivered;
  cursor_ = std::min(cursor_, first);
  reader_->seek(cursor_);
  // Other groups' batches may hold the very space that is missing.
  if (const Progress progress = close_if_crowded(0); progress != Progress::Continue)
    return progress;
  return sleep(kTroublePause) ? Progress::Rewound : Progress::Stop;
}

// ---- bookkeeping

Offset DeliveryWorker::low_water() const {
  Offset lowest = cursor_;
  for (const auto& [key, group] : groups_) {
    if (group->batch) lowest = std::min(lowest, group->first);
  }
  return lowest;
}

DeliveryWorker::Progress DeliveryWorker::save_checkpoint() {
  Checkpoint checkpoint{
      .identity = settings_.identity, .low_water = low_water(), .groups = {}, .counters = {}};
  for (const auto& [key, group] : groups_) {
    if (group->delivered > checkpoint.low_water)
      checkpoint.groups.push_back({key, group->delivered});
  }
  if (checkpoint == saved_) return Progress::Continue;
  const bool durable = output_->needs_durable_journal();
  for (;;) {
    const Status saved = journal_.save_checkpoint(checkpoint, durable);
    if (saved) break;
    if (const uint64_t times = checkpoint_episode_.admit()) {
      log_error("output:" + settings_.instance, "cannot save the checkpoint: {} ({} times)",
                saved.error().message, times);
    }
    // An output that promises "exactly once" must not go on: the next object would be named after
    // an offset that a restart does not come back to. The others go on and risk a repetition.
    if (!durable) return Progress::Continue;
    if (!sleep(kTroublePause)) return Progress::Stop;
  }
  saved_ = std::move(checkpoint);
  saved_at_ = clock_.monotonic();
  return Progress::Continue;
}

// False if the drain deadline passed.
bool DeliveryWorker::sleep(Nanoseconds wait) {
  const Monotonic until = clock_.monotonic() + wait;
  health_.begin_until(until);
  MutexLock lock(mutex_);
  while (clock_.monotonic() < until && !leaving_.load()) {
    // A drain that begins while we wait shortens the wait to a second.
    Monotonic wake_at = until;
    if (draining_.load()) {
      wake_at = std::min({until, Monotonic{Nanoseconds(drain_deadline_ns_.load())},
                          clock_.monotonic() + Seconds(1)});
    }
    const bool was_draining = draining_.load();
    if (!wake_.wait_until(mutex_, wake_at) && was_draining) break;
  }
  return !expired();
}

void DeliveryWorker::update_lag(bool caught_up) {
  Timestamp oldest = caught_up ? Timestamp::max() : read_appended_at_;
  for (const auto& [key, group] : groups_) {
    if (group->batch) oldest = std::min(oldest, group->appended_at);
  }
  metrics_.oldest_undelivered_ns.set(
      oldest == Timestamp::max() ? 0
                                 : static_cast<uint64_t>(nanoseconds_since_epoch(oldest).count()));
}

}  // namespace noroshi
