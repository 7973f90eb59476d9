// What the golden cases (tests/golden/filter/multiline_…) cannot see: acks, counters, severity.
#include "filter/multiline/multiline.h"

#include <gtest/gtest.h>

#include "config/classic.h"
#include "config/diagnostics.h"
#include "parser/parser_registry.h"
#include "record/counting_ack.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"
#include "record/record_accessor.h"
#include "record/severity.h"

namespace noroshi {
namespace {

struct Collected final : FilterOutput {
  void emit(Chunk& chunk, bool from_head) override {
    EXPECT_FALSE(from_head);
    chunks.push_back(std::move(chunk));
    chunk.clear();
  }
  std::vector<Chunk> chunks;
};

class MultilineFilterTest : public testing::Test {
 protected:
  MultilineFilterTest() {
    Diagnostics diagnostics;
    const Document document = parse_classic_text(
        "t.conf", "[FILTER]\n    Name multiline\n    Match *\n    multiline.parser python\n",
        diagnostics);
    auto made = kMultilineFilter.make(*document.find_all(SectionKind::Filter).front(),
                                      {.parsers = parsers, .clock = clock}, diagnostics);
    EXPECT_TRUE(made.has_value()) << diagnostics.render();
    filter = std::move(made->filter);
    counters = made->counters;
  }

  Chunk chunk_of(std::initializer_list<std::string_view> lines) {
    Chunk chunk;
    chunk.tag = "app";
    for (const std::string_view line : lines) {
      std::string record;
      MsgpackWriter writer(record);
      writer.map_header(1);
      writer.string("log"), writer.string(line);
      chunk.append(clock.wall(), record);
    }
    chunk.acks.push_back(std::make_shared<CountingAck>(live));
    return chunk;
  }
  void apply(Chunk& chunk) { filter->apply(chunk, output, metrics); }

  ManualClock clock;
  ParserRegistry parsers{clock};
  std::unique_ptr<Filter> filter;
  std::vector<std::shared_ptr<FilterCounter>> counters;
  Collected output;
  FilterMetrics metrics;
  int live = 0;
};

TEST_F(MultilineFilterTest, AcksWaitForTheJoinedRecord) {
  Chunk first = chunk_of({"Traceback (most recent call last):"});
  apply(first);
  EXPECT_TRUE(first.empty());
  first.clear();
  EXPECT_EQ(live, 1) << "held";
  Chunk second = chunk_of({"  File \"a.py\", line 1, in f", "ValueError: x", "INFO: next"});
  apply(second);
  ASSERT_EQ(second.records.size(), 2u);
  EXPECT_EQ(second.acks.size(), 2u);
  EXPECT_EQ(infer_severity(second.view().record(second.records[0])), Severity::Error);
  EXPECT_EQ(infer_severity(second.view().record(second.records[1])), Severity::Info);
  EXPECT_EQ(counters[0]->counter.get(), 1u);
  second.clear();
  EXPECT_EQ(live, 0);
}

TEST_F(MultilineFilterTest, AnUntouchedChunkKeepsItsMemory) {
  Chunk chunk = chunk_of({"INFO: one", "{\"a\":1}", ""});
  const char* const body = chunk.body.data();
  apply(chunk);
  EXPECT_EQ(chunk.records.size(), 3u);
  EXPECT_EQ(chunk.body.data(), body);
}

TEST_F(MultilineFilterTest, TheTickReleasesWithTheAck) {
  Chunk chunk = chunk_of({"one", "ERROR: x"});
  apply(chunk);
  EXPECT_EQ(chunk.records.size(), 1u);
  chunk.clear();
  EXPECT_EQ(live, 1);
  clock.advance(Seconds(1));
  filter->on_tick(output, metrics);
  ASSERT_EQ(output.chunks.size(), 1u);
  EXPECT_EQ(output.chunks[0].tag, "app");
  EXPECT_EQ(output.chunks[0].acks.size(), 1u);
  output.chunks.clear();
  EXPECT_EQ(live, 0);
  EXPECT_EQ(counters[0]->counter.get(), 0u) << "one line is not a joined record";
}

TEST_F(MultilineFilterTest, ShutdownReleasesEverything) {
  Chunk chunk = chunk_of({"Traceback (most recent call last):", "  File"});
  apply(chunk);
  chunk.clear();
  filter->flush(output, metrics);
  ASSERT_EQ(output.chunks.size(), 1u);
  const auto text = find_key(output.chunks[0].view().record(output.chunks[0].records[0]), "log");
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(MsgpackReader(*text).read_string().value_or(""),
            "Traceback (most recent call last):\n  File");
}

}  // namespace
}  // namespace noroshi
