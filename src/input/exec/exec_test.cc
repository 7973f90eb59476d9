#include "input/exec/exec.h"

#include "input/plugin_loop.h"
#include "record/json_record.h"

namespace noroshi {
namespace {

using namespace std::chrono_literals;

class Exec : public PluginLoop {
 protected:
  Exec() : PluginLoop(kExecInput) {}

  bool run_until_end() {
    return run_until([&] { return input_->ended(); });
  }
};

TEST_F(Exec, LinesOfOneRun) {
  start({{"Command", "echo one; printf 'two\\n\\nthree'; read x || exit 3"}, {"Oneshot", "on"}});
  ASSERT_TRUE(run_until_end());
  ASSERT_EQ(sink_.records.size(), 3u);
  EXPECT_EQ(sink_.records[0].record, record_of(R"({"exec":"one"})"));
  EXPECT_EQ(sink_.records[2].record, record_of(R"({"exec":"three"})"));
  EXPECT_EQ(sink_.records[0].tag, "exec.0");
}

TEST_F(Exec, AgainAndAgainWithAParser) {
  start({{"Command", "echo a=1"},
         {"Parser", "logfmt"},
         {"Interval_Sec", "0"},
         {"Interval_NSec", "20000000"}});
  ASSERT_TRUE(run_until_records(3));
  EXPECT_EQ(sink_.records[2].record, record_of(R"({"a":"1"})"));
  EXPECT_FALSE(input_->ended());
}

TEST_F(Exec, ATimeoutEndsTheWholeGroup) {
  start({{"Command", "echo started; sleep 1000 | sleep 1000"},
         {"Timeout", "100ms"},
         {"Oneshot", "on"}});
  EXPECT_TRUE(run_until_end());
  EXPECT_EQ(sink_.records.size(), 1u);
}

TEST_F(Exec, MuchOutputAndBackpressure) {
  sink_.pause_after(1);
  start({{"Command", "seq 1 200000"}, {"Oneshot", "on"}});
  run_for(100ms);
  EXPECT_LT(sink_.records.size(), 200'000u);
  sink_.resume();
  ASSERT_TRUE(run_until_end());
  ASSERT_EQ(sink_.records.size(), 200'000u);
  EXPECT_EQ(sink_.records.back().record, record_of(R"({"exec":"200000"})"));
}

TEST_F(Exec, CloseTakesTheLastWords) {
  start({{"Command", "trap 'echo bye; exit' TERM; echo hello; while :; do sleep 0.01; done"}});
  ASSERT_TRUE(run_until_records(1));
  input_->close();
  ASSERT_EQ(sink_.records.size(), 2u);
  EXPECT_EQ(sink_.records[1].record, record_of(R"({"exec":"bye"})"));
}

TEST_F(Exec, WrongOptions) {
  EXPECT_FALSE(make({}));
  EXPECT_FALSE(make({{"Command", "x"}, {"Propagate_Exit_Code", "on"}}));
  EXPECT_FALSE(make({{"Command", "x"}, {"Parser", "jsno"}}));
  EXPECT_NE(diagnostics_.render().find("did you mean \"json\""), std::string::npos);
}

}  // namespace
}  // namespace noroshi
