#include "localaws/request_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "localaws/json_text.h"
#include "localaws/time_text.h"

namespace noroshi::localaws {
namespace {

constexpr size_t kCountsMax = 1000;  // kinds; operations come from clients
constexpr size_t kTargetBytesMax = 200;

}  // namespace

void RequestLog::add(RequestEntry entry) {
  if (entry.target.size() > kTargetBytesMax) entry.target.resize(kTargetBytesMax);
  MutexLock lock(mutex_);
  ++total_;
  auto kind = std::tuple(entry.service, entry.operation, entry.status);
  if (counts_.size() < kCountsMax || counts_.contains(kind)) ++counts_[std::move(kind)];
  entries_.push_back(std::move(entry));
  if (entries_.size() > kEntriesMax) entries_.pop_front();
}

void RequestLog::clear() {
  MutexLock lock(mutex_);
  entries_.clear();
  counts_.clear();
  total_ = 0;
}

std::string RequestLog::to_json(size_t limit) const {
  MutexLock lock(mutex_);
  std::string out = fmt::format("{{\"total\":{},\"counts\":[", total_);
  bool first = true;
  for (const auto& [kind, count] : counts_) {
    out += fmt::format("{}{{\"service\":{},\"operation\":{},\"status\":{},\"count\":{}}}",
                       first ? "" : ",", json_text(std::get<0>(kind)), json_text(std::get<1>(kind)),
                       std::get<2>(kind), count);
    first = false;
  }
  out += "],\"requests\":[";
  const size_t skipped = entries_.size() - std::min(limit, entries_.size());
  for (size_t i = skipped; i < entries_.size(); ++i) {
    const RequestEntry& entry = entries_[i];
    out += fmt::format(
        "{}\n{{\"time\":{},\"service\":{},\"operation\":{},\"target\":{},\"status\":{},\"error\":{}"
        ","
        "\"fault\":{},\"request_bytes\":{},\"response_bytes\":{},\"milliseconds\":{:.3f}}}",
        i > skipped ? "," : "", json_text(iso_time_millis(entry.time)), json_text(entry.service),
        json_text(entry.operation), json_text(entry.target), entry.status, json_text(entry.error),
        json_text(entry.fault), entry.request_bytes, entry.response_bytes, entry.milliseconds);
  }
  return out + "]}\n";
}

}  // namespace noroshi::localaws
