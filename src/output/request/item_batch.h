// ItemBatch: encoded records in memory, each settled on its own.
//
// An item is what the destination answers for: usually one record, several where small records are
// packed together (Firehose). Items lie one behind the other in one buffer with the protocol's
// separators between them, so that the body of a request that holds all of them is that buffer:
// nothing is copied. A request for some of them gathers those into a second buffer.
//
// What was accepted or refused stays so over Retry: only the rest is sent again, in order.
//
// Not thread-safe: one delivery thread owns the protocol and its batches.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "output/output.h"

namespace noroshi {

class ItemProtocol;

class ItemBatch final : public Batch {
 public:
  // `protocol` outlives the batch.
  ItemBatch(std::string group, ItemProtocol& protocol);

  Result<uint32_t> add(const ChunkView& chunk, std::span<const uint32_t> records,
                       std::vector<RejectedRecord>& rejected) override;
  [[nodiscard]] bool full() const override { return full_; }
  [[nodiscard]] uint64_t bytes() const override { return text_.size(); }
  [[nodiscard]] SettledRecords settled_records() const override;

  [[nodiscard]] const std::string& group() const { return group_; }
  [[nodiscard]] size_t item_count() const { return items_.size(); }
  [[nodiscard]] std::string_view item(uint32_t index) const {
    return std::string_view(text_).substr(items_[index].position, items_[index].size);
  }

  // --- For the delivery.

  // Indexes of the items not settled, ascending.
  [[nodiscard]] const std::vector<uint32_t>& pending() const { return pending_; }
  // Opening, the items (ascending indexes) with separators, closing. Valid until the next call; may
  // use `gathered`.
  [[nodiscard]] std::string_view join(std::span<const uint32_t> items, std::string& gathered);
  void accept(uint32_t item);
  void reject(uint32_t item, DropReason reason);
  // Everything is pending again; only while nothing was accepted.
  void forget_rejections();
  // Drops what was settled from pending().
  void update_pending();
  [[nodiscard]] bool accepted_any() const { return accepted_ > 0; }
  [[nodiscard]] const std::vector<RejectedRecord>& rejected() const { return rejected_; }
  [[nodiscard]] uint64_t record_count() const { return offsets_.size(); }

 private:
  enum class State : uint8_t { Pending, Accepted, Rejected };
  struct Item {
    uint32_t position = 0;  // in text_
    uint32_t size = 0;
    uint32_t first_record = 0;  // in offsets_
    uint32_t record_count = 0;
    State state = State::Pending;
  };

  std::string group_;
  ItemProtocol& protocol_;
  std::string text_;
  std::vector<Item> items_;
  std::vector<Offset> offsets_;  // of the records, in the order of the items
  std::vector<uint32_t> pending_;
  std::vector<RejectedRecord> rejected_;
  uint64_t accepted_ = 0;  // items
  bool full_ = false;
};

}  // namespace noroshi
