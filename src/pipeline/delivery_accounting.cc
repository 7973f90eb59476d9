// The books of a DeliveryWorker: what is lost, and what is still undelivered.
#include <algorithm>

#include "pipeline/delivery.h"
#include "pipeline/delivery_group.h"
#include "pipeline/routed_reader.h"

namespace noroshi {

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
