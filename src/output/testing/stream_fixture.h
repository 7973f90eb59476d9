// StreamFixture: an output plugin that connects to a server of the test's own, and batches brought
// to it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "output/testing/chunk_builder.h"
#include "output/testing/output_section.h"

namespace noroshi::testing {

class StreamFixture : public ::testing::Test {
 protected:
  using Pairs = OptionPairs;

  explicit StreamFixture(const OutputPlugin& plugin) : plugin_(plugin) {}

  // Null: there are errors.
  std::unique_ptr<Output> make(const Pairs& pairs) {
    diagnostics_ = Diagnostics();
    OutputContext context = output_context(plugin_);
    auto made = plugin_.make(output_section(plugin_.name, pairs), context, diagnostics_);
    EXPECT_EQ(made.has_value(), !diagnostics_.has_errors());
    if (!made) return nullptr;
    destination_ = made->destination;
    return std::move(made->output);
  }
  // All of a chunk (of one group); none of it was refused.
  static std::unique_ptr<Batch> batch(Output& output, const ChunkBuilder& chunk) {
    const ChunkView view = chunk.view();
    std::vector<std::string_view> groups;
    output.group(view, chunk.all(), groups);
    auto batch =
        output.open_batch(groups.at(0), {.offset = view.offset(0), .tag = view.tag}).value();
    std::vector<RejectedRecord> rejected;
    EXPECT_EQ(batch->add(view, chunk.all(), rejected), view.records.size());
    EXPECT_TRUE(rejected.empty());
    return batch;
  }
  static Delivery deliver(Output& output, Batch& batch, Nanoseconds limit = Seconds(5)) {
    return output.deliver(batch, system_clock().monotonic() + limit);
  }
  static Delivery deliver(Output& output, const ChunkBuilder& chunk) {
    return deliver(output, *batch(output, chunk));
  }

  const OutputPlugin& plugin_;
  Diagnostics diagnostics_;
  std::string destination_;
};

}  // namespace noroshi::testing
