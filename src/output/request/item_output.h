// ItemOutput: an Output made of an ItemProtocol. Its delivery sends what is pending of a batch,
// request by request, and turns the answers into one outcome:
//
//   every item accepted or refused      Delivered, with the refused ones
//   some items to be sent again         Retry; the batch remembers which
//   the request is too large            its halves are sent; one item alone is refused as Oversize
//   one of the items is refused         its halves are sent until it is found
//   the request is refused for good     its items are refused
//   anything else                       Retry of what is pending
#pragma once

#include <memory>
#include <string>

#include "output/output.h"
#include "output/plugin.h"
#include "output/request/item_protocol.h"

namespace noroshi {

struct ItemOutputSettings {
  std::string identity = {};
  // Between two requests of one group that are not full.
  Nanoseconds request_interval = Seconds(1);
  int shutdown_order = 5;
};

[[nodiscard]] std::unique_ptr<Output> make_item_output(ItemOutputSettings settings,
                                                       std::unique_ptr<ItemProtocol> protocol,
                                                       const Clock& clock);

// What make() of a plugin returns: such an output under these names, with the service's Flush as
// the interval between requests.
struct ItemOutputNames {
  std::string destination = {};  // MadeOutput
  std::string identity = {};
};
[[nodiscard]] MadeOutput make_item_output(ItemOutputNames names,
                                          std::unique_ptr<ItemProtocol> protocol,
                                          const OutputContext& context);

// One attempt for `batch`. `request_bytes_max` is what the destination was seen to take; shared by
// all batches of an output, 0 at first: no limit known.
[[nodiscard]] Delivery deliver_items(ItemProtocol& protocol, ItemBatch& batch,
                                     uint64_t& request_bytes_max, const Clock& clock,
                                     Monotonic deadline);

}  // namespace noroshi
