#include "output/null/null.h"

namespace noroshi {
namespace {

// Counts bytes as they lie in the chunk; keeps nothing.
class NullBatch final : public Batch {
 public:
  Result<uint32_t> add(const ChunkView& chunk, std::span<const uint32_t> records,
                       std::vector<RejectedRecord>&) override {
    for (const uint32_t index : records) bytes_ += chunk.records[index].size;
    return static_cast<uint32_t>(records.size());
  }
  bool full() const override { return false; }
  uint64_t bytes() const override { return bytes_; }

 private:
  uint64_t bytes_ = 0;
};

class NullOutput final : public Output {
 public:
  explicit NullOutput(Nanoseconds age_max) : age_max_(age_max) {}
  BatchLimits limits() const override { return {.age_max = age_max_}; }
  std::string identity() const override { return "null"; }
  void group(const ChunkView&, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups) override {
    groups.insert(groups.end(), records.size(), std::string_view("null"));
  }
  Result<std::unique_ptr<Batch>> open_batch(std::string_view, const BatchStart&) override {
    return std::make_unique<NullBatch>();
  }
  Delivery deliver(Batch&, Monotonic) override { return Delivery::delivered(); }

 private:
  Nanoseconds age_max_;
};

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  static_cast<void>(null_option_table().parse(section, diagnostics));
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  return MadeOutput{.output = std::make_unique<NullOutput>(context.flush.value_or(Nanoseconds{})),
                    .destination = "nowhere (counted)"};
}

}  // namespace

const OptionTable<NullOptions>& null_option_table() {
  static const auto table = OptionTable<NullOptions>("null", "Takes every record and forgets it.")
                                .ignored("format", "Nothing is formatted.")
                                .ignored("json_date_key", "Nothing is formatted.")
                                .ignored("json_date_format", "Nothing is formatted.");
  return table;
}

const OutputPlugin kNullPlugin = {
    .name = "null",
    .aliases = {},
    .summary = "Takes every record and forgets it",
    .options = [] { return null_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
