#include "metrics/metrics.h"

namespace noroshi {

std::string_view to_string(DropReason reason) {
  switch (reason) {
    case DropReason::JournalFull:
      return "journal_full";
    case DropReason::OutputLimit:
      return "output_limit";
    case DropReason::RetryLimit:
      return "retry_limit";
    case DropReason::Rejected:
      return "rejected";
    case DropReason::TooOld:
      return "too_old";
    case DropReason::TooNew:
      return "too_new";
    case DropReason::Expired:
      return "expired";
    case DropReason::Oversize:
      return "oversize";
    case DropReason::Corrupt:
      return "corrupt";
    case DropReason::NotEncodable:
      return "not_encodable";
  }
  return "unknown";
}

void LatencyHistogram::observe(std::chrono::nanoseconds latency) {
  const double seconds = std::chrono::duration<double>(latency).count();
  size_t bucket = 0;
  while (bucket < kLatencyBounds.size() && seconds > kLatencyBounds[bucket]) ++bucket;
  buckets[bucket].add();
  if (latency.count() > 0) sum_ns.add(static_cast<uint64_t>(latency.count()));
}

}  // namespace noroshi
