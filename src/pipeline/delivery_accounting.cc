// The books of a DeliveryWorker: what is given up, what is lost, and what is still undelivered.
#include <algorithm>

#include "pipeline/delivery.h"
#include "pipeline/delivery_group.h"
#include "pipeline/routed_reader.h"

namespace noroshi {

void DeliveryWorker::give_up(Group& group, DropReason reason, const std::string& detail) {
  SettledRecords settled = group.batch->settled_records();
  const size_t lost = group.records - settled.delivered.size() - settled.rejected.size();
  metrics_.records.add(settled.delivered.size());
  count_rejected(settled.rejected, detail);
  if (lost == 0) return;
  metrics_.drop(reason).add(lost);
  if (const uint64_t times = give_up_episode_.admit()) {
    log_error("output:" + settings_.instance,
              "LOST {} records for this destination ({}): {} ({} times)", lost, to_string(reason),
              detail, times);
  }
  // A copy of what a limit on space pushed out would take the very space.
  if (reason == DropReason::OutputLimit) return;
  std::vector<Offset>& others = settled.delivered;
  for (const RejectedRecord& record : settled.rejected) others.push_back(record.offset);
  // settle() buries these, with their own reason.
  for (const RejectedRecord& record : group.rejected) others.push_back(record.offset);
  std::ranges::sort(others);
  bury(group.first, group.next, &group, reason, detail, others);
}

void DeliveryWorker::count_rejected(const std::vector<RejectedRecord>& rejected,
                                    std::string_view detail) {
  if (rejected.empty()) return;
  if (const uint64_t times = give_up_episode_.admit()) {
    log_error("output:" + settings_.instance,
              "LOST {} records for this destination ({}): {} ({} times)", rejected.size(),
              to_string(rejected.front().reason), detail.empty() ? "refused" : detail, times);
  }
  for (const RejectedRecord& record : rejected) metrics_.drop(record.reason).add();
  // One pass over the journal for each run of neighbours, not for each record.
  std::vector<RejectedRecord> sorted = rejected;
  std::ranges::sort(sorted, {}, &RejectedRecord::offset);
  for (size_t begin = 0, end = 0; begin < sorted.size(); begin = end) {
    for (end = begin + 1; end < sorted.size() && sorted[end].reason == sorted[begin].reason &&
                          sorted[end].offset == sorted[end - 1].offset + 1;) {
      ++end;
    }
    bury(sorted[begin].offset, sorted[end - 1].offset + 1, nullptr, sorted[begin].reason, detail);
  }
}

// Copies the records of [from, to) that belong to `group` (any, if null) and are not among `others`
// (ascending) to the dead letters. They are read from the journal again: a batch keeps encoded
// bytes only.
void DeliveryWorker::bury(Offset from, Offset to, const Group* group, DropReason reason,
                          std::string_view detail, std::span<const Offset> others) {
  if (!dead_letters_.enabled()) return;
  const auto [routes, number] = selection();
  RoutedReader reader(journal_, routes, number, *output_, from, to);
  for (;;) {
    const Result<ReadOutcome> outcome = reader.next();
    if (!outcome || *outcome == ReadOutcome::End) return;
    if (*outcome == ReadOutcome::Lost) continue;
    const Result<ReadOutcome> loaded = reader.load();
    if (!loaded || *loaded != ReadOutcome::Entry) continue;
    for (const RoutedReader::Record& record : reader.records()) {
      if (group != nullptr && bounded_key(record.group) != group->key) continue;
      if (std::ranges::binary_search(others, record.offset)) continue;
      dead_letters_.write(reader.chunk(), record.index, reason, detail);
    }
  }
}

void DeliveryWorker::account_for_lost(const LostRange& lost) {
  const bool dropped = lost.reason == LostRange::Reason::Dropped;
  uint64_t records = lost.records();
  bool at_most = true;
  if (recovered_lost_ > 0) {
    // Gone before this start, which counted it as recovered: nobody can tell whose it was.
    records = std::min(records, recovered_lost_);
    recovered_lost_ -= records;
    if (dropped) records += account_->take_dropped(lost.from, lost.to);
  } else if (dropped) {
    records = account_->take_dropped(lost.from, lost.to);
    at_most = false;
    for (const auto& [key, group] : groups_) {
      // A batch was built again: what other groups have beyond it is not lost for them.
      if (group->next > lost.from) account_->set_inexact();
    }
  } else {
    account_->set_inexact();
  }
  if (records == 0) return;
  metrics_.drop(dropped ? DropReason::JournalFull : DropReason::Corrupt).add(records);
  if (const uint64_t times = lost_episode_.admit()) {
    log_error("output:" + settings_.instance, "LOST {}{} records from record {} on: {} ({} times)",
              at_most ? "up to " : "", records, lost.from.value,
              dropped ? "the journal was full and its oldest segment was dropped"
                      : "damaged in the journal",
              times);
  }
}

// The head is whole, the records are not: the marks say how many were ours.
void DeliveryWorker::account_for_damaged(const EntryHead& head) {
  const auto [routes, number] = selection();
  const auto first = static_cast<uint32_t>(cursor_ > head.base ? cursor_ - head.base : 0);
  const std::optional<uint32_t> ours =
      routes->count(number, head.routing.route_table, head.routing.marks, head.record_count, first);
  if (!ours) account_->set_inexact();
  const uint64_t records = ours.value_or(head.record_count - first);
  metrics_.drop(DropReason::Corrupt).add(records);
  if (const uint64_t times = lost_episode_.admit()) {
    log_error("output:" + settings_.instance,
              "LOST {}{} records from record {} on: damaged in the journal ({} times)",
              ours ? "" : "up to ", records, head.base.value + first, times);
  }
}

// What was dropped and not come to, or was in a batch that is not sent any more, is lost now.
void DeliveryWorker::account_at_end() {
  const Offset begin = low_water();
  for (const auto& [key, group] : groups_) {
    if (group->delivered > begin && journal_.first_offset() > begin) account_->set_inexact();
  }
  const uint64_t records = account_->take_dropped(begin, Offset{UINT64_MAX});
  if (records == 0) return;
  metrics_.drop(DropReason::JournalFull).add(records);
  log_error("output:" + settings_.instance,
            "LOST {} records from record {} on: the journal was full and its oldest segment was "
            "dropped",
            records, begin.value);
}

// Everything is read and nothing came for a while: what came is delivered, dropped, or in an open
// batch. Not while records come: ingest counts them when the delivery thread may have them already.
void DeliveryWorker::compare_accounts() {
  uint64_t open = 0;
  for (const auto& [key, group] : groups_) {
    if (group->batch) open += group->records + group->rejected.size();
  }
  if (!account_->compare(metrics_, open, clock_.monotonic())) return;
  log_error("output:" + settings_.instance,
            "accounting differs by {} records: {} recovered + {} routed, but {} delivered + {} "
            "dropped + {} in open batches",
            account_->unaccounted(), account_->recovered.get(), metrics_.routed.get(),
            metrics_.records.get(), metrics_.dropped_total(), open);
}

std::optional<UndeliveredRecords> DeliveryWorker::left(Monotonic until) {
  CHECK(!thread_.joinable(), "left() after join()");
  return count_undelivered(Offset{end_.load()}, until, false);
}

// A scan of its own from the saved checkpoint on. Heads and marks only, but for entries that
// another configuration routed, or that a group has delivered a part of.
std::optional<UndeliveredRecords> DeliveryWorker::count_undelivered(Offset end, Monotonic until,
                                                                    bool with_lost) {
  UndeliveredRecords left;
  const auto [routes, number] = selection();
  Offset delivered_in_parts = saved_.low_water;
  for (const auto& [key, group] : groups_)
    delivered_in_parts = std::max(delivered_in_parts, group->delivered);
  RoutedReader reader(journal_, routes, number, *output_, saved_.low_water, end);
  for (;;) {
    const Result<ReadOutcome> outcome = reader.next();
    if (!outcome) return std::nullopt;
    if (*outcome == ReadOutcome::End) return left;
    if (*outcome == ReadOutcome::Lost) {
      if (!with_lost || reader.lost().from >= end) continue;
      left.count += std::min(reader.lost().to, end) - reader.lost().from;
      recovered_lost_ += std::min(reader.lost().to, end) - reader.lost().from;
      continue;
    }
    if (clock_.monotonic() >= until) {
      left.at_least = true;
      return left;
    }
    if (reader.head().base >= delivered_in_parts) {
      if (const auto ours = reader.count()) {
        left.count += *ours;
        continue;
      }
    }
    const Result<ReadOutcome> loaded = reader.load();
    if (!loaded) return std::nullopt;
    if (*loaded != ReadOutcome::Entry) {
      account_->set_inexact();
      continue;
    }
    for (const RoutedReader::Record& record : reader.records()) {
      const auto group = groups_.find(bounded_key(record.group));
      const bool settled = group != groups_.end() && record.offset < group->second->delivered;
      if (!settled) ++left.count;
    }
  }
}

}  // namespace noroshi
