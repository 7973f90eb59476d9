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

}  // namespace noroshi
