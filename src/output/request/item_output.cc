#include "output/request/item_output.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace noroshi {
namespace {

// A destination that called a request too large is not asked for less than this at once.
constexpr uint64_t kLearnedBytesMin = 64 << 10;
// So many items refused one by one, and none accepted: the configuration is at fault, not they.
constexpr size_t kRefusedAloneMax = 8;

// How many of the first pending items one request takes.
size_t request_size(const ItemBatch& batch, const ItemLimits& limits, size_t items_max,
                    uint64_t bytes_max) {
  const auto& pending = batch.pending();
  const size_t most = std::min({pending.size(), items_max, size_t{limits.request_items_max}});
  if (bytes_max == 0) return most;
  uint64_t bytes = 0;
  for (size_t i = 0; i < most; ++i) {
    bytes += batch.item(pending[i]).size();
    if (bytes > bytes_max && i > 0) return i;
  }
  return most;
}

uint64_t bytes_of(const ItemBatch& batch, std::span<const uint32_t> items) {
  uint64_t bytes = 0;
  for (const uint32_t item : items) bytes += batch.item(item).size();
  return bytes;
}

void settle_answered(ItemBatch& batch, std::span<const uint32_t> items, RequestAnswer& answer) {
  std::ranges::sort(answer.again);
  std::ranges::sort(answer.refused, {}, &RequestAnswer::Refused::item);
  for (const auto& refused : answer.refused) batch.reject(refused.item, refused.reason);
  for (const uint32_t item : items) {
    if (!std::ranges::binary_search(answer.again, item) &&
        !std::ranges::binary_search(answer.refused, item, {}, &RequestAnswer::Refused::item)) {
      batch.accept(item);
    }
  }
}

}  // namespace

Delivery deliver_items(ItemProtocol& protocol, ItemBatch& batch, uint64_t& request_bytes_max,
                       const Clock& clock, Monotonic deadline) {
  const ItemLimits limits = protocol.limits();
  size_t items_max = SIZE_MAX;
  std::string refusal;
  while (!batch.pending().empty()) {
    if (clock.monotonic() >= deadline) {
      return Delivery::retry(RetryClass::Transient, "the time of this attempt is over");
    }
    const size_t count = request_size(batch, limits, items_max, request_bytes_max);
    const std::vector<uint32_t> items(batch.pending().begin(),
                                      batch.pending().begin() + static_cast<std::ptrdiff_t>(count));
    RequestAnswer answer = protocol.send(batch, items, deadline);
    switch (answer.kind) {
      case RequestAnswer::Kind::Answered:
        settle_answered(batch, items, answer);
        if (!answer.refused.empty()) refusal = answer.reason;
        // After a search: larger requests again.
        if (items_max < limits.items_max) items_max *= 2;
        break;
      case RequestAnswer::Kind::TooLarge:
        if (count == 1) {
          batch.reject(items.front(), DropReason::Oversize);
          refusal = std::move(answer.reason);
          break;
        }
        request_bytes_max = std::max(bytes_of(batch, items) / 2, kLearnedBytesMin);
        items_max = count / 2;
        continue;
      case RequestAnswer::Kind::Suspect:
        if (count > 1) {
          items_max = count / 2;
          continue;
        }
        batch.reject(items.front(), DropReason::Rejected);
        refusal = std::move(answer.reason);
        if (!batch.accepted_any() && batch.rejected().size() >= kRefusedAloneMax &&
            batch.record_count() > kRefusedAloneMax) {
          // Nothing in our records should be refused at all. If all of them are, they are not the
          // reason.
          batch.forget_rejections();
          return Delivery::retry(RetryClass::Auth,
                                 fmt::format("{} records in a row were refused one by one: {}",
                                             kRefusedAloneMax, refusal));
        }
        break;
      case RequestAnswer::Kind::Rejected:
        for (const uint32_t item : items) batch.reject(item, DropReason::Rejected);
        refusal = std::move(answer.reason);
        break;
      case RequestAnswer::Kind::Retry:
        break;
    }
    batch.update_pending();
    if (answer.kind == RequestAnswer::Kind::Retry || !answer.again.empty()) {
      Delivery delivery = Delivery::retry(answer.retry_class, std::move(answer.reason));
      delivery.retry_after = answer.retry_after;
      return delivery;
    }
  }
  const bool all_refused = !batch.accepted_any() &&
                           std::ranges::all_of(batch.rejected(), [](const RejectedRecord& record) {
                             return record.reason == DropReason::Rejected;
                           });
  if (all_refused) return Delivery::reject(std::move(refusal));
  Delivery delivery;
  delivery.reason = std::move(refusal);
  delivery.rejected = batch.rejected();
  return delivery;
}

namespace {

class ItemOutput final : public Output {
 public:
  ItemOutput(ItemOutputSettings settings, std::unique_ptr<ItemProtocol> protocol,
             const Clock& clock)
      : settings_(std::move(settings)), protocol_(std::move(protocol)), clock_(clock) {}

  BatchLimits limits() const override {
    return {.request_interval_min = settings_.request_interval, .groups_max = 16};
  }
  std::string identity() const override { return settings_.identity; }
  void group(const ChunkView& chunk, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups) override {
    protocol_->group(chunk, records, groups);
  }
  Result<std::unique_ptr<Batch>> open_batch(std::string_view group, const BatchStart&) override {
    return std::make_unique<ItemBatch>(std::string(group), *protocol_);
  }
  Delivery deliver(Batch& batch, Monotonic deadline) override {
    return deliver_items(*protocol_, static_cast<ItemBatch&>(batch), request_bytes_max_, clock_,
                         deadline);
  }
  int shutdown_order() const override { return settings_.shutdown_order; }
  void start(OutputMetrics& metrics) override { protocol_->start(metrics); }
  void stop() override { protocol_->stop(); }

 private:
  ItemOutputSettings settings_;
  std::unique_ptr<ItemProtocol> protocol_;
  const Clock& clock_;
  uint64_t request_bytes_max_ = 0;
};

}  // namespace

std::unique_ptr<Output> make_item_output(ItemOutputSettings settings,
                                         std::unique_ptr<ItemProtocol> protocol,
                                         const Clock& clock) {
  return std::make_unique<ItemOutput>(std::move(settings), std::move(protocol), clock);
}

MadeOutput make_item_output(ItemOutputNames names, std::unique_ptr<ItemProtocol> protocol,
                            const OutputContext& context) {
  ItemOutputSettings settings{.identity = std::move(names.identity)};
  settings.request_interval = context.flush.value_or(settings.request_interval);
  return {.output = make_item_output(std::move(settings), std::move(protocol), context.clock),
          .destination = std::move(names.destination)};
}

}  // namespace noroshi
