// FilterFixture: one filter made from its section, records of JSON in, records of JSON out, with
// acks counted; for filters that ask the network (the golden cases have none).
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "aws/testing/fake_environment.h"
#include "config/classic.h"
#include "config/diagnostics.h"
#include "filter/plugin.h"
#include "parser/parser_registry.h"
#include "record/counting_ack.h"
#include "record/json_parser.h"
#include "record/json_writer.h"

namespace noroshi::testing {

class FilterFixture : public ::testing::Test {
 protected:
  // `options`: further lines of the section.
  std::optional<MadeFilter> make(const FilterPlugin& plugin, const std::string& options) {
    diagnostics_ = Diagnostics();
    const Document document = parse_classic_text(
        "t.conf", "[FILTER]\n    Name " + std::string(plugin.name) + "\n    Match *\n" + options,
        diagnostics_);
    return plugin.make(*document.find_all(SectionKind::Filter).front(),
                       {.parsers = parsers_, .instance_name = "test.0", .aws = environment_},
                       diagnostics_);
  }
  // The filter under test from now on.
  void use(const FilterPlugin& plugin, const std::string& options) {
    auto made = make(plugin, options);
    ASSERT_TRUE(made) << diagnostics_.render();
    EXPECT_FALSE(made->description.empty());
    filter_ = std::move(made->filter);
  }

  // One record in a chunk with an ack; what comes out of apply() is kept in records_.
  void apply(const std::string& tag, const std::string& json) {
    Chunk chunk;
    chunk.tag = tag;
    std::string record;
    ASSERT_TRUE(JsonToMsgpack().append_object(json, record));
    chunk.append(Timestamp(Seconds(1)), record);
    chunk.acks.push_back(std::make_shared<CountingAck>(live_acks_));
    filter_->apply(chunk, output_, metrics_);
    keep(chunk);
  }
  // The same, and the record that comes out once the filter lets it go.
  std::string through(const std::string& tag, const std::string& json) {
    const size_t before = records_.size();
    apply(tag, json);
    if (!tick_until([&] { return records_.size() > before; })) return "nothing came out";
    return records_.back();
  }
  template <typename Condition>
  bool tick_until(Condition condition) {
    const Monotonic end = system_clock().monotonic() + Seconds(20);
    while (!condition() && system_clock().monotonic() < end) {
      std::this_thread::sleep_for(Milliseconds(2));
      filter_->on_tick(output_, metrics_);
    }
    return condition();
  }

 private:
  void keep(Chunk& chunk) {
    for (const RecordEntry& entry : chunk.records) {
      std::string json;
      EXPECT_TRUE(write_json(json, chunk.view().record(entry)));
      records_.push_back(std::move(json));
    }
    chunk.clear();
  }
  struct Kept final : FilterOutput {
    explicit Kept(FilterFixture& owner) : fixture(owner) {}
    void emit(Chunk& chunk, bool from_head) override {
      EXPECT_FALSE(from_head);
      fixture.keep(chunk);
    }
    FilterFixture& fixture;
  };

 protected:
  FakeEnvironment fake_;
  AwsEnvironment environment_ = fake_.environment();
  ParserRegistry parsers_{fake_.clock};
  Diagnostics diagnostics_;
  FilterMetrics metrics_;
  Kept output_{*this};
  std::vector<std::string> records_;
  int live_acks_ = 0;
  std::unique_ptr<Filter> filter_;  // goes first: its thread uses the rest
};

}  // namespace noroshi::testing
