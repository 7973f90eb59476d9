// Golden cases of the filters, as text: tests/golden/filter/<case>/
//
//   filter.conf      [PARSER] and [FILTER] sections; the filters form a chain in their order
//   input.jsonl      {"tag": …, "time": seconds or "seconds.fraction", "record": {…}}; neighbours
//   of one tag form
//                    a chunk; {"advance": seconds} lets time pass and ticks
//   expected.jsonl   what comes out, in order, in the same form
//   expected.txt     the diagnostics of the configuration, if there are any
//
// UPDATE_GOLDEN=1 writes the expected files anew: look at the difference before you commit it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "config/classic.h"
#include "config/diagnostics.h"
#include "filter/content_modifier/content_modifier.h"
#include "filter/expect/expect.h"
#include "filter/grep/grep.h"
#include "filter/lua/lua.h"
#include "filter/modify/modify.h"
#include "filter/multiline/multiline.h"
#include "filter/nest/nest.h"
#include "filter/parser/parser.h"
#include "filter/partial_message/partial_message.h"
#include "filter/record_modifier/record_modifier.h"
#include "filter/redact/redact.h"
#include "filter/rewrite_tag/rewrite_tag.h"
#include "filter/stdout/stdout.h"
#include "filter/throttle/throttle.h"
#include "filter/type_converter/type_converter.h"
#include "parser/parser_registry.h"
#include "parser/time_format.h"
#include "record/json_parser.h"
#include "record/json_writer.h"
#include "record/record_accessor.h"
#include "record/tag_match.h"

namespace noroshi {
namespace {

namespace fs = std::filesystem;

constexpr int kRestartsMax = 10;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The chain as pipeline/ingest runs it, in small.
class Chain {
 public:
  struct Stage {
    TagPattern match;
    std::unique_ptr<Filter> filter;
  };

  void add(std::string_view match, std::unique_ptr<Filter> filter) {
    stages_.push_back({TagPattern(match), std::move(filter)});
  }
  void run(Chunk& chunk) {
    run(chunk, 0, 0);
    drain();
  }
  void tick() {
    for (size_t i = 0; i < stages_.size(); ++i) {
      Out out(*this, i, 0);
      stages_[i].filter->on_tick(out, metrics_);
      drain();
    }
  }
  void flush() {
    for (size_t i = 0; i < stages_.size(); ++i) {
      Out out(*this, i, 0);
      stages_[i].filter->flush(out, metrics_);
      drain();
    }
  }
  [[nodiscard]] const std::string& output() const { return output_; }

 private:
  struct Waiting {
    Chunk chunk;
    size_t stage;
    int restarts;
  };
  class Out final : public FilterOutput {
   public:
    Out(Chain& chain, size_t stage, int restarts)
        : chain_(chain), stage_(stage), restarts_(restarts) {}
    void emit(Chunk& chunk, bool from_head) override {
      const bool restart = from_head && restarts_ < kRestartsMax;
      chain_.waiting_.push_back(
          {std::move(chunk), restart ? 0 : stage_ + 1, restarts_ + (from_head ? 1 : 0)});
      chunk.clear();
    }

   private:
    Chain& chain_;
    size_t stage_;
    int restarts_;
  };

  void run(Chunk& chunk, size_t stage, int restarts) {
    for (; stage < stages_.size() && !chunk.empty(); ++stage) {
      if (!stages_[stage].match.matches(chunk.tag)) continue;
      Out out(*this, stage, restarts);
      stages_[stage].filter->apply(chunk, out, metrics_);
    }
    write(chunk);
    chunk.clear();
  }
  void drain() {
    while (!waiting_.empty()) {
      Waiting next = std::move(waiting_.front());
      waiting_.pop_front();
      run(next.chunk, next.stage, next.restarts);
    }
  }
  void write(const Chunk& chunk) {
    size_t end = 0;
    for (const RecordEntry& entry : chunk.records) {
      EXPECT_EQ(entry.position, end) << "the body is contiguous";
      end = entry.position + entry.metadata_size + entry.size;
      const int64_t ns = entry.time.time_since_epoch().count();
      std::string time = fmt::format("{}.{:09}", ns / 1'000'000'000, ns % 1'000'000'000);
      while (time.back() == '0') time.pop_back();
      if (time.back() == '.') time.pop_back();
      output_ += R"({"tag":)";
      write_json_string(output_, chunk.tag);
      output_ += fmt::format(R"(,"time":{},"record":)", time);
      EXPECT_TRUE(write_json(output_, chunk.view().record(entry)));
      output_ += "}\n";
    }
    EXPECT_EQ(end, chunk.records.empty() ? end : chunk.body.size()) << "no dead bytes behind it";
  }

  std::vector<Stage> stages_;
  std::deque<Waiting> waiting_;
  FilterMetrics metrics_;
  std::string output_;
};

class FilterGolden : public testing::TestWithParam<std::string> {
 protected:
  const fs::path directory_ = fs::path(NOROSHI_SOURCE_DIR "/tests/golden/filter") / GetParam();
  const bool update_ = std::getenv("UPDATE_GOLDEN") != nullptr;
  // 2026-11-23 02:53:00 UTC
  ManualClock clock_{Timestamp(Seconds(1795402380))};

  static const FilterPlugin* plugin(const std::string& name) {
    for (const FilterPlugin* known :
         {&kContentModifierFilter, &kExpectFilter, &kGrepFilter, &kLuaFilter, &kModifyFilter,
          &kMultilineFilter, &kNestFilter, &kParserFilter, &kRedactFilter, &kThrottleFilter,
          &kTypeConverterFilter, &kPartialMessageFilter, &kRecordModifierFilter,
          &kRewriteTagFilter}) {
      if (known->name == name) return known;
    }
    return nullptr;
  }

  bool build(Chain& chain, std::string& diagnostics_text) {
    Diagnostics diagnostics;
    const Document document =
        parse_classic_text("filter.conf", read_file(directory_ / "filter.conf"), diagnostics);
    ParserRegistry parsers(clock_);
    for (const Section* section : document.find_all(SectionKind::Parser)) {
      parsers.add(*section, diagnostics);
    }
    for (const Section* section : document.find_all(SectionKind::MultilineParser)) {
      parsers.multiline().add(*section, diagnostics);
    }
    const FilterContext context{.parsers = parsers, .instance_name = "test.0", .clock = clock_};
    for (const Section* section : document.find_all(SectionKind::Filter)) {
      const FilterPlugin* made_by = plugin(section->plugin());
      if (made_by == nullptr) {
        ADD_FAILURE() << "no filter " << section->plugin();
        continue;
      }
      const size_t errors = diagnostics.error_count();
      auto made = made_by->make(*section, context, diagnostics);
      EXPECT_EQ(made.has_value(), diagnostics.error_count() == errors);
      if (!made) continue;
      EXPECT_FALSE(made->description.empty());
      const std::string_view match = section->value("match");
      chain.add(match.empty() ? "*" : match, std::move(made->filter));
    }
    diagnostics_text = diagnostics.render();
    return !diagnostics.has_errors();
  }

  void feed(Chain& chain) {
    JsonToMsgpack json;
    Chunk chunk;
    std::ifstream input(directory_ / "input.jsonl");
    int number = 0;
    for (std::string line; std::getline(input, line);) {
      ++number;
      if (line.empty()) continue;
      std::string packed;
      ASSERT_TRUE(json.append_object(line, packed)) << "input.jsonl:" << number;
      if (const auto seconds = find_key(packed, "advance")) {
        if (!chunk.empty()) chain.run(chunk);
        clock_.advance(Seconds(MsgpackReader(*seconds).read_int().value_or(0)));
        chain.tick();
        continue;
      }
      const auto tag_value = find_key(packed, "tag");
      const auto time_value = find_key(packed, "time");
      const auto record = find_key(packed, "record");
      ASSERT_TRUE(tag_value && time_value && record) << "input.jsonl:" << number;
      const std::string tag(MsgpackReader(*tag_value).read_string().value_or(""));
      if (!chunk.empty() && chunk.tag != tag) chain.run(chunk);
      chunk.tag = tag;
      std::string time_text;
      append_value_text(time_text, *time_value);
      const auto format =
          TimeFormat::compile(time_text.find('.') == std::string::npos ? "%s" : "%s.%L", {});
      const auto time = format->parse(time_text, Timestamp{});
      ASSERT_TRUE(time) << "input.jsonl:" << number << ": " << time_text;
      chunk.append(*time, *record);
    }
    if (!chunk.empty()) chain.run(chunk);
    chain.flush();
  }

  void compare(const std::string& file, const std::string& got) {
    const fs::path path = directory_ / file;
    if (update_) {
      if (got.empty() && file.ends_with(".txt"))
        fs::remove(path);
      else
        std::ofstream(path, std::ios::binary) << got;
      return;
    }
    EXPECT_EQ(got, read_file(path)) << path << " (UPDATE_GOLDEN=1 writes it anew)";
  }
};

TEST_P(FilterGolden, GivesWhatIsExpected) {
  Chain chain;
  std::string diagnostics;
  if (build(chain, diagnostics)) feed(chain);
  compare("expected.txt", diagnostics);
  compare("expected.jsonl", chain.output());
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(NOROSHI_SOURCE_DIR "/tests/golden/filter")) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Cases, FilterGolden, testing::ValuesIn(case_names()),
                         [](const auto& parameter) { return parameter.param; });

TEST(FilterGoldenCases, AreManyEnough) { EXPECT_GE(case_names().size(), 40u); }

}  // namespace
}  // namespace noroshi
