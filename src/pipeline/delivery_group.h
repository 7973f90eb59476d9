// What a DeliveryWorker knows of one group. Only delivery.cc and delivery_accounting.cc include
// this.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/delivery.h"

namespace noroshi {

struct DeliveryWorker::Group {
  std::string key;
  std::unique_ptr<Batch> batch;
  uint32_t records = 0;     // in the batch
  Offset first = {};        // of the batch
  Offset next = {};         // records below are in the batch or settled: skip them after a rewind
  Offset delivered = {};    // records below are settled
  Timestamp appended_at{};  // of the batch's first record
  uint64_t losses = 0;  // Journal::losses_before_sync() before the batch's first record was read
  Monotonic opened_at{};
  Monotonic last_request{Monotonic::min()};
  std::vector<uint32_t> pending;  // of the chunk being processed
  // Refused while encoding; counted when the batch is settled, because it may be built again.
  std::vector<RejectedRecord> rejected;
};

}  // namespace noroshi
