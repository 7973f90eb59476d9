#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "base/check.h"
#include "base/log.h"
#include "base/offset.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace noroshi {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return fail(ErrorCode::InvalidArgument, "odd");
  return value / 2;
}

Result<int> quarter(int value) {
  NOROSHI_ASSIGN(const int first, half(value));
  NOROSHI_ASSIGN(const int second, half(first));
  return second;
}

TEST(Result, AssignPassesTheValueOrTheError) {
  EXPECT_EQ(quarter(8), 2);
  ASSERT_FALSE(quarter(6).has_value());
  EXPECT_EQ(quarter(6).error().code, ErrorCode::InvalidArgument);
}

TEST(Result, ErrnoBecomesTheCodeTheCallerActsOn) {
  EXPECT_EQ(fail_errno(ENOSPC, "append").error().code, ErrorCode::Exhausted);
  EXPECT_EQ(fail_errno(ENOENT, "open").error().code, ErrorCode::NotFound);
  EXPECT_EQ(fail_errno(EADDRINUSE, "bind").error().code, ErrorCode::Unavailable);
  EXPECT_EQ(fail_errno(EIO, "sync").error().code, ErrorCode::Io);
  EXPECT_EQ(fail_errno(ENOENT, "cannot open /x").error().message,
            "cannot open /x: No such file or directory");
}

TEST(Check, AbortsWithTheReason) {
  EXPECT_DEATH(CHECK(1 + 1 == 3, "arithmetic holds"), "1 \\+ 1 == 3.*arithmetic holds");
}

TEST(Offset, CountsRecords) {
  EXPECT_EQ(Offset{7} - Offset{3}, 4u);
  EXPECT_EQ(Offset{7} + 3, Offset{10});
  EXPECT_LT(Offset{1}, Offset{2});
}

TEST(LogEpisode, SpeaksOnceThenCounts) {
  LogEpisode episode(Seconds(3600));
  EXPECT_EQ(episode.admit(), 1u);
  EXPECT_EQ(episode.admit(), 0u);
  EXPECT_EQ(episode.admit(), 0u);
}

TEST(LogLevel, NamesOfFluentBit) {
  LogLevel level = LogLevel::Off;
  EXPECT_TRUE(parse_log_level("WARNING", level));
  EXPECT_EQ(level, LogLevel::Warn);
  EXPECT_FALSE(parse_log_level("loud", level));
}

TEST(UniqueFd, ClosesOnce) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  {
    UniqueFd first(fds[0]);
    UniqueFd second = std::move(first);
    EXPECT_FALSE(first.valid());
    EXPECT_TRUE(second.valid());
  }
  EXPECT_EQ(close(fds[0]), -1);
  close(fds[1]);
}

}  // namespace
}  // namespace noroshi
