#include "pipeline/accounting.h"

#include <algorithm>
#include <cstdlib>

#include "journal/journal_reader.h"
#include "pipeline/router.h"

namespace noroshi {

void OutputAccount::set_place(Offset settled, Offset cursor) {
  settled_.store(settled.value);
  cursor_.store(cursor.value);
}

void OutputAccount::note_dropped(Offset from, Offset to, uint64_t records) {
  const MutexLock lock(mutex_);
  const Offset settled{settled_.load()};
  while (!dropped_.empty() && dropped_.front().to <= settled) dropped_.pop_front();
  if (records == 0 || to <= settled) return;
  if (dropped_.size() == kDroppedEntriesMax) {
    // The reader is at the front: what is behind will be lost as a whole.
    std::deque<Dropped> fewer;
    for (const Dropped& entry : dropped_) {
      if (fewer.size() < kDroppedEntriesMax / 2) {
        fewer.push_back(entry);
      } else {
        fewer.back().to = entry.to;
        fewer.back().records += entry.records;
      }
    }
    dropped_ = std::move(fewer);
  }
  dropped_.push_back({from, to, records});
}

uint64_t OutputAccount::take_dropped(Offset from, Offset to) {
  const MutexLock lock(mutex_);
  uint64_t records = 0;
  std::erase_if(dropped_, [&](const Dropped& entry) {
    if (entry.to <= from || entry.from >= to) return false;
    if (entry.from < from || entry.to > to) set_inexact();
    records += entry.records;
    return true;
  });
  return records;
}

uint64_t OutputAccount::waiting(const OutputMetrics& metrics) const {
  // Read before what it may become, so that a record under way is not missed twice.
  const uint64_t gone = metrics.records.get() + metrics.dropped_total();
  const uint64_t come = recovered.get() + metrics.routed.get();
  return come > gone ? come - gone : 0;
}

bool OutputAccount::compare(const OutputMetrics& metrics, uint64_t open, Monotonic now) {
  const uint64_t gone = metrics.records.get() + metrics.dropped_total() + open;
  const uint64_t come = recovered.get() + metrics.routed.get();
  const auto difference = exact() ? static_cast<int64_t>(come - gone) : 0;
  if (difference != difference_) {
    difference_ = difference;
    differs_since_ = now;
  }
  if (difference != 0 && now - differs_since_ < kUnaccountedAfter) return false;
  const auto records = static_cast<uint64_t>(std::abs(difference));
  return unaccounted_.exchange(records) != records && records != 0;
}

void note_dropped(const EntryHead& head, const RouteTable& routes, size_t output,
                  OutputAccount& account) {
  // A cursor within the entry (after a restart in the middle of a batch): what is before it is in a
  // batch or settled, what is behind it will be found missing.
  const Offset middle = std::clamp(account.cursor(), head.base, head.end());
  const auto count = [&](Offset from) {
    const auto ours = routes.count(output, head.routing.route_table, head.routing.marks,
                                   head.record_count, static_cast<uint32_t>(from - head.base));
    if (!ours) account.set_inexact();
    return uint64_t{ours.value_or(static_cast<uint32_t>(head.end() - from))};
  };
  const uint64_t all = count(head.base), behind = count(middle);
  if (middle > head.base) account.note_dropped(head.base, middle, all - behind);
  if (middle < head.end()) account.note_dropped(middle, head.end(), behind);
}

}  // namespace noroshi
