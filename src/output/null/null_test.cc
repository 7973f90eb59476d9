#include "output/null/null.h"

#include <gtest/gtest.h>

#include "output/testing/chunk_builder.h"
#include "output/testing/output_section.h"

namespace noroshi {
namespace {

TEST(Null, TakesEverything) {
  Section section = testing::output_section("null", {});
  OutputContext context = testing::output_context(kNullPlugin);
  Diagnostics diagnostics;
  const auto made = kNullPlugin.make(section, context, diagnostics);
  ASSERT_TRUE(made);
  testing::ChunkBuilder chunk;
  chunk.json({}, R"({"a":1})").msgpack({}, "\xc1").json({}, "{}");
  std::vector<std::string_view> groups;
  made->output->group(chunk.view(), chunk.all(), groups);
  EXPECT_EQ(groups.size(), 3u);
  auto batch = made->output->open_batch(groups[0], {}).value();
  std::vector<RejectedRecord> rejected;
  EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected), 3u);
  EXPECT_EQ(batch->bytes(), 4u + 1u + 1u);
  EXPECT_FALSE(batch->full());
  EXPECT_EQ(made->output->deliver(*batch, {}).outcome, Delivery::Outcome::Delivered);
  section.properties.push_back({.key = "colour", .name = "colour", .values = {{.text = "black"}}});
  EXPECT_FALSE(kNullPlugin.make(section, context, diagnostics));
}

}  // namespace
}  // namespace noroshi
