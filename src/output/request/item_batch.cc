#include "output/request/item_batch.h"

#include "base/check.h"
#include "output/request/item_protocol.h"

namespace noroshi {

ItemBatch::ItemBatch(std::string group, ItemProtocol& protocol)
    : group_(std::move(group)), protocol_(protocol), text_(protocol.framing().opening) {}

Result<uint32_t> ItemBatch::add(const ChunkView& chunk, std::span<const uint32_t> records,
                                std::vector<RejectedRecord>& rejected) {
  const ItemLimits limits = protocol_.limits();
  const std::string separator = protocol_.framing().separator;
  uint32_t taken = 0;
  for (const uint32_t index : records) {
    if (full_) break;
    const size_t before = text_.size();
    const bool may_merge = separator.empty() && !items_.empty();
    const Encoded encoded =
        protocol_.encode(chunk, index, text_, may_merge ? items_.back().size : 0);
    const size_t size = text_.size() - before;
    if (encoded == Encoded::NotEncodable || size > limits.item_bytes_max) {
      text_.resize(before);
      rejected.push_back({chunk.offset(index), encoded == Encoded::NotEncodable
                                                   ? DropReason::NotEncodable
                                                   : DropReason::Oversize});
      ++taken;
      continue;
    }
    if (encoded == Encoded::Merged) {
      CHECK(may_merge, "a record is merged into an item that is not there");
      items_.back().size += static_cast<uint32_t>(size);
      ++items_.back().record_count;
    } else {
      if (!items_.empty() && before + size > limits.bytes_max) {
        // It opens the next batch.
        text_.resize(before);
        full_ = true;
        break;
      }
      pending_.push_back(static_cast<uint32_t>(items_.size()));
      items_.push_back({.position = static_cast<uint32_t>(before),
                        .size = static_cast<uint32_t>(size),
                        .first_record = static_cast<uint32_t>(offsets_.size()),
                        .record_count = 1});
      text_ += separator;
    }
    offsets_.push_back(chunk.offset(index));
    ++taken;
    // Another record may still fit into the last item where items are merged; not worth the wait.
    full_ = items_.size() >= limits.items_max || text_.size() >= limits.bytes_max;
  }
  return taken;
}

SettledRecords ItemBatch::settled_records() const {
  SettledRecords settled;
  settled.rejected = rejected_;
  for (const Item& item : items_) {
    if (item.state != State::Accepted) continue;
    for (uint32_t i = 0; i < item.record_count; ++i)
      settled.delivered.push_back(offsets_[item.first_record + i]);
  }
  return settled;
}

std::string_view ItemBatch::join(std::span<const uint32_t> items, std::string& gathered) {
  const ItemFraming framing = protocol_.framing();
  const bool all = items.size() == items_.size();
  if (all && framing.separator == framing.closing) return text_;
  gathered.clear();
  if (all) {
    // Nothing is added to a batch under delivery: its end may change.
    const Item& last = items_.back();
    text_.resize(last.position + last.size);
    text_ += framing.closing;
    return text_;
  }
  gathered = framing.opening;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) gathered += framing.separator;
    gathered += item(items[i]);
  }
  gathered += framing.closing;
  return gathered;
}

void ItemBatch::accept(uint32_t item) {
  CHECK(items_[item].state == State::Pending, "an item is settled once");
  items_[item].state = State::Accepted;
  ++accepted_;
}

void ItemBatch::reject(uint32_t item, DropReason reason) {
  Item& rejected = items_[item];
  CHECK(rejected.state == State::Pending, "an item is settled once");
  rejected.state = State::Rejected;
  for (uint32_t i = 0; i < rejected.record_count; ++i)
    rejected_.push_back({offsets_[rejected.first_record + i], reason});
}

void ItemBatch::forget_rejections() {
  CHECK(accepted_ == 0, "what was accepted is not sent again");
  rejected_.clear();
  pending_.clear();
  for (uint32_t i = 0; i < items_.size(); ++i) {
    items_[i].state = State::Pending;
    pending_.push_back(i);
  }
}

void ItemBatch::update_pending() {
  std::erase_if(pending_, [&](uint32_t item) { return items_[item].state != State::Pending; });
}

}  // namespace noroshi
