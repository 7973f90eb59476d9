// ItemProtocol: what a destination that takes requests has of its own: how a record is encoded, and
// how one request is sent and its answer read. ItemOutput (item_output.h) does everything else.
//
// On the delivery thread of its output only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "output/output.h"
#include "output/request/item_batch.h"

namespace noroshi {

struct ItemLimits {
  uint32_t items_max = 10'000;         // of one batch and one request
  uint32_t bytes_max = 1 << 20;        // encoded bytes of one batch; one item may exceed it alone
  uint32_t item_bytes_max = 16 << 20;  // a larger item is rejected as Oversize
  uint32_t request_items_max = UINT32_MAX;  // where a request takes fewer than a batch
};

// Text around items in a request's body.
struct ItemFraming {
  std::string opening = {};
  std::string separator = {};
  std::string closing = {};
};

enum class Encoded {
  Appended,      // one item
  Merged,        // the record was added to the item before
  NotEncodable,  // nothing was appended
};

// What the answer to one request says.
struct RequestAnswer {
  enum class Kind {
    Answered,  // items not named in `refused` or `again` were accepted
    TooLarge,  // the whole request; nothing was accepted
    Suspect,   // the whole request, because of one of its items that the answer does not name
    Retry,     // the whole request, later
    Rejected,  // the whole request, for good
  };
  struct Refused {
    uint32_t item = 0;  // as ItemBatch counts them
    DropReason reason = DropReason::Rejected;
  };

  Kind kind = Kind::Answered;
  std::string reason = {};  // for the operator; everything but a clean Answered
  RetryClass retry_class = RetryClass::Transient;
  std::optional<Nanoseconds> retry_after = {};
  std::vector<Refused> refused = {};
  std::vector<uint32_t> again = {};

  static RequestAnswer answered() { return {}; }
  static RequestAnswer retry(RetryClass retry_class, std::string reason) {
    RequestAnswer answer{.kind = Kind::Retry, .reason = std::move(reason)};
    answer.retry_class = retry_class;
    return answer;
  }
};

class ItemProtocol {
 public:
  virtual ~ItemProtocol() = default;

  [[nodiscard]] virtual ItemLimits limits() const = 0;
  [[nodiscard]] virtual ItemFraming framing() const { return {}; }

  // As Output::group(); one group for all unless a request can hold only records that belong
  // together.
  virtual void group(const ChunkView& /*chunk*/, std::span<const uint32_t> records,
                     std::vector<std::string_view>& groups) {
    groups.insert(groups.end(), records.size(), std::string_view());
  }

  // Appends a record to `out`, whose last `last_item_bytes` bytes are the item before (0: there is
  // none, or it may not grow).
  [[nodiscard]] virtual Encoded encode(const ChunkView& chunk, uint32_t record, std::string& out,
                                       size_t last_item_bytes) = 0;

  // One request with these items (at least one). Blocks; returns by `deadline`.
  [[nodiscard]] virtual RequestAnswer send(ItemBatch& batch, std::span<const uint32_t> items,
                                           Monotonic deadline) = 0;

  virtual void start(OutputMetrics&) {}
  virtual void stop() {}
};

}  // namespace noroshi
