#include "input/dummy/dummy.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "config/diagnostics.h"
#include "input/recording_sink.h"
#include "input/test_section.h"
#include "net/listener_registry.h"
#include "parser/parser_registry.h"
#include "record/msgpack_reader.h"

namespace noroshi {
namespace {

using namespace std::chrono_literals;

class Dummy : public testing::Test {
 protected:
  bool make(std::vector<std::pair<std::string, std::string>> properties) {
    properties.insert(properties.begin(), {"Name", "dummy"});
    diagnostics_ = {};
    InputContext context{.parsers = parsers_, .listeners = listeners_, .instance_name = "dummy.3"};
    auto made = kDummyInput.make(section_of(properties), context, diagnostics_);
    if (!made) return false;
    input_ = std::move(made->input);
    EXPECT_TRUE(input_->bind(loop_));
    input_->start(sink_, metrics_);
    return true;
  }
  void run_for(std::chrono::milliseconds time) {
    loop_.restart();
    loop_.run_for(time);
  }

  ParserRegistry parsers_;
  ListenerRegistry listeners_;
  Diagnostics diagnostics_;
  boost::asio::io_context loop_;
  RecordingSink sink_;
  InputMetrics metrics_;
  std::unique_ptr<Input> input_;
};

TEST_F(Dummy, SamplesThenEnds) {
  ASSERT_TRUE(make({{"Dummy", R"({"level":"ERROR","n":1})"},
                    {"Metadata", R"({"m":true})"},
                    {"Rate", "1000"},
                    {"Samples", "25"},
                    {"Copies", "2"}}))
      << diagnostics_.render();
  run_for(2s);
  ASSERT_EQ(sink_.records.size(), 50u);
  EXPECT_TRUE(input_->ended());
  EXPECT_EQ(sink_.records[0].tag, "dummy.3");
  EXPECT_EQ(sink_.records[0].record,
            "\x82\xa5level\xa5"
            "ERROR\xa1n\x01");
  EXPECT_EQ(sink_.records[0].metadata, "\x81\xa1m\xc3");
  EXPECT_LT(system_clock().wall() - sink_.records[0].time, 10s);
}

TEST_F(Dummy, TheRateIsKept) {
  ASSERT_TRUE(make({{"Rate", "20000"}}));
  run_for(400ms);
  EXPECT_GT(sink_.records.size(), 3000u);
  EXPECT_LE(sink_.records.size(), 10'000u);
  EXPECT_LT(sink_.chunks, 60) << "records of a tick travel together";
  EXPECT_FALSE(input_->ended());
  input_->close();
}

TEST_F(Dummy, SlowByDefaultUnlessTheFirstComesAtOnce) {
  ASSERT_TRUE(make({}));
  run_for(50ms);
  EXPECT_EQ(sink_.records.size(), 0u);
  input_->close();
  ASSERT_TRUE(make({{"Flush_On_Startup", "on"}}));
  run_for(50ms);
  ASSERT_EQ(sink_.records.size(), 1u);
  EXPECT_EQ(sink_.records[0].record,
            "\x81\xa7message\xa5"
            "dummy");
  input_->close();
}

TEST_F(Dummy, TimesStartWhereTold) {
  ASSERT_TRUE(make({{"Start_Time_Sec", "1000"},
                    {"Start_Time_Nsec", "7"},
                    {"Fixed_Timestamp", "on"},
                    {"Interval_Nsec", "1000000"},
                    {"Samples", "3"}}));
  run_for(1s);
  ASSERT_EQ(sink_.records.size(), 3u);
  for (const auto& record : sink_.records)
    EXPECT_EQ(record.time, Timestamp(Nanoseconds(1'000'000'000'007)));
}

TEST_F(Dummy, BackpressureLosesNoSample) {
  ASSERT_TRUE(make({{"Rate", "1000"}, {"Samples", "20"}}));
  sink_.pause();
  run_for(60ms);
  EXPECT_EQ(sink_.records.size(), 0u);
  sink_.resume();
  run_for(500ms);
  EXPECT_EQ(sink_.records.size(), 20u);
  EXPECT_TRUE(input_->ended());
}

TEST_F(Dummy, ManyCopiesAreSeveralChunks) {
  ASSERT_TRUE(make({{"Samples", "1"}, {"Flush_On_Startup", "on"}, {"Copies", "25000"}}));
  run_for(1s);
  EXPECT_EQ(sink_.records.size(), 25'000u);
  EXPECT_GE(sink_.chunks, 3);
  EXPECT_TRUE(input_->ended());
}

TEST_F(Dummy, WhatIsNoJsonObjectIsAnError) {
  EXPECT_FALSE(make({{"Dummy", "{broken"}}));
  EXPECT_FALSE(make({{"Dummy", "[1]"}, {"Metadata", "x"}}));
  EXPECT_EQ(diagnostics_.error_count(), 2u);
  EXPECT_FALSE(make({{"Rate", "0"}}));
}

}  // namespace
}  // namespace noroshi
