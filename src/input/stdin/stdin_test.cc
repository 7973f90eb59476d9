#include "input/stdin/stdin.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "config/diagnostics.h"
#include "input/recording_sink.h"
#include "input/test_section.h"
#include "net/listener_registry.h"
#include "parser/parser_registry.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

using namespace std::chrono_literals;

std::string log_of(std::string_view line) {
  std::string out;
  MsgpackWriter writer(out);
  writer.map_header(1);
  writer.string("log"), writer.string(line);
  return out;
}

class Stdin : public testing::Test {
 protected:
  void start(StdinOptions options = {}) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    writer_ = UniqueFd(ends[1]);
    start_with(UniqueFd(ends[0]), std::move(options));
  }
  void start_with(UniqueFd descriptor, StdinOptions options = {}) {
    input_ = make_stdin(std::move(options), std::move(descriptor), "stdin.0");
    ASSERT_TRUE(input_->bind(loop_));
    input_->start(sink_, metrics_);
  }
  void write(std::string_view text) {
    ASSERT_EQ(::write(writer_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  bool run_until_end() {
    const auto deadline = std::chrono::steady_clock::now() + 5s;
    while (!input_->ended() && std::chrono::steady_clock::now() < deadline) {
      loop_.restart();
      loop_.run_one_for(10ms);
    }
    return input_->ended();
  }
  void run_for(std::chrono::milliseconds time) {
    loop_.restart();
    loop_.run_for(time);
  }
  std::vector<std::string> records() const {
    std::vector<std::string> out;
    for (const auto& record : sink_.records) out.push_back(record.record);
    return out;
  }

  boost::asio::io_context loop_;
  RecordingSink sink_;
  InputMetrics metrics_;
  std::unique_ptr<Input> input_;
  UniqueFd writer_;
};

TEST_F(Stdin, JsonObjectsBecomeRecordsOtherLinesText) {
  start();
  write("{\"a\":1}\nplain\r\n\n{\"broken\nend without newline");
  run_for(20ms);
  EXPECT_EQ(sink_.records.size(), 3u);
  EXPECT_FALSE(input_->ended());
  writer_.reset();
  ASSERT_TRUE(run_until_end());
  EXPECT_EQ(records(), (std::vector<std::string>{"\x81\xa1"
                                                 "a\x01",
                                                 log_of("plain"), log_of("{\"broken"),
                                                 log_of("end without newline")}));
  EXPECT_EQ(sink_.records[0].tag, "stdin.0");
}

TEST_F(Stdin, LinesInPiecesAndManyOfThem) {
  start();
  std::string text;
  for (int n = 0; n < 50'000; ++n) text += "line " + std::to_string(n) + "\n";
  for (std::string_view rest = text; !rest.empty();) {
    const size_t size = std::min<size_t>(rest.size(), 4093);
    write(rest.substr(0, size));
    rest.remove_prefix(size);
    loop_.restart();
    loop_.poll();
  }
  writer_.reset();
  ASSERT_TRUE(run_until_end());
  ASSERT_EQ(sink_.records.size(), 50'000u);
  for (int n = 0; n < 50'000; ++n)
    ASSERT_EQ(sink_.records[static_cast<size_t>(n)].record, log_of("line " + std::to_string(n)));
}

TEST_F(Stdin, AFileAndDevNull) {
  const auto path =
      std::filesystem::temp_directory_path() / ("noroshi-stdin-" + std::to_string(::getpid()));
  std::ofstream(path) << "one\ntwo\n";
  start_with(UniqueFd(::open(path.c_str(), O_RDONLY)));
  EXPECT_TRUE(run_until_end());
  EXPECT_EQ(sink_.records.size(), 2u);
  std::filesystem::remove(path);
  start_with(UniqueFd(::open("/dev/null", O_RDONLY)));
  EXPECT_TRUE(run_until_end());
  EXPECT_EQ(sink_.records.size(), 2u);
}

TEST_F(Stdin, BackpressureKeepsEverything) {
  start();
  write("one\n");
  sink_.pause();
  run_for(20ms);
  EXPECT_TRUE(input_->busy());
  write("two\n");
  run_for(20ms);
  EXPECT_EQ(sink_.records.size(), 0u);
  sink_.resume();
  writer_.reset();
  ASSERT_TRUE(run_until_end());
  EXPECT_EQ(records(), (std::vector<std::string>{log_of("one"), log_of("two")}));
  EXPECT_FALSE(input_->busy());
}

TEST_F(Stdin, ALineThatIsTooLongBecomesSeveralRecords) {
  start({.line_bytes_max = 1000});
  write(std::string(2500, 'x') + "\nnext\n");
  writer_.reset();
  ASSERT_TRUE(run_until_end());
  EXPECT_EQ(records(), (std::vector<std::string>{log_of(std::string(1000, 'x')),
                                                 log_of(std::string(1000, 'x')),
                                                 log_of(std::string(500, 'x')), log_of("next")}));
  EXPECT_EQ(metrics_.malformed.get(), 2u);
}

TEST_F(Stdin, AParserAndItsTime) {
  Section section = section_of({{"Name", "mine"},
                                {"Format", "regex"},
                                {"Regex", "^(?<time>[^ ]+) (?<message>.*)$"},
                                {"Time_Key", "time"},
                                {"Time_Format", "%Y-%m-%dT%H:%M:%S"}});
  section.kind = SectionKind::Parser;
  ParserRegistry parsers;
  Diagnostics diagnostics;
  parsers.add(section, diagnostics);
  auto parser = parsers.make("mine");
  ASSERT_TRUE(parser) << diagnostics.render();
  StdinOptions options;
  options.parser = *std::move(parser);
  start(std::move(options));
  write("2026-11-23T01:02:03 hello\nnot like that\n");
  writer_.reset();
  ASSERT_TRUE(run_until_end());
  ASSERT_EQ(sink_.records.size(), 2u);
  EXPECT_EQ(sink_.records[0].record, "\x81\xa7message\xa5hello");
  EXPECT_EQ(sink_.records[0].time, Timestamp(Seconds(1'795'395'723)));
}

TEST_F(Stdin, CloseTakesTheLineThatHasNoEndYet) {
  start();
  write("unfinished");
  run_for(20ms);
  input_->close();
  EXPECT_EQ(records(), std::vector<std::string>{log_of("unfinished")});
  EXPECT_TRUE(input_->ended());
}

TEST_F(Stdin, AnUnknownParserIsAnErrorWithASuggestion) {
  ParserRegistry parsers;
  ListenerRegistry listeners;
  InputContext context{.parsers = parsers, .listeners = listeners, .instance_name = "stdin.0"};
  Diagnostics diagnostics;
  EXPECT_FALSE(
      kStdinInput.make(section_of({{"Name", "stdin"}, {"Parser", "jsno"}}), context, diagnostics));
  EXPECT_NE(diagnostics.render().find("json"), std::string::npos);
  EXPECT_TRUE(
      kStdinInput.make(section_of({{"Name", "stdin"}, {"Parser", "json"}}), context, diagnostics));
}

}  // namespace
}  // namespace noroshi
