#include "base/log_levels.h"

#include <gtest/gtest.h>

namespace noroshi {
namespace {

class LogLevelsTest : public testing::Test {
 protected:
  ~LogLevelsTest() override {
    set_component_log_levels({});
    set_log_level(LogLevel::Info);
  }
  // How many lines of `level` a message of `component` makes.
  static uint64_t lines(LogLevel level, std::string_view component) {
    const uint64_t before = log_lines_written(level);
    log_at(level, component, "a line of a test");
    return log_lines_written(level) - before;
  }
};

TEST_F(LogLevelsTest, AComponentSaysMoreOrLessThanTheRest) {
  set_log_level(LogLevel::Warn);
  set_component_log_levels({{"output:s3.1", LogLevel::Debug}, {"input:forward.0", LogLevel::Off}});
  EXPECT_EQ(lines(LogLevel::Debug, "output:s3.1"), 1u);
  EXPECT_EQ(lines(LogLevel::Debug, "output:s3.2"), 0u);
  EXPECT_EQ(lines(LogLevel::Info, "output:s3.2"), 0u);
  EXPECT_EQ(lines(LogLevel::Warn, "output:s3.2"), 1u);
  EXPECT_EQ(lines(LogLevel::Error, "input:forward.0"), 0u);
  set_component_log_levels({});
  EXPECT_EQ(lines(LogLevel::Debug, "output:s3.1"), 0u);
  EXPECT_EQ(lines(LogLevel::Error, "input:forward.0"), 1u);
  EXPECT_EQ(log_level(), LogLevel::Warn);
}

}  // namespace
}  // namespace noroshi
