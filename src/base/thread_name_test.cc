#include "base/thread_name.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <thread>

namespace noroshi {
namespace {

TEST(ThreadName, KeepsTheNumberOfAnInstance) {
  EXPECT_EQ(thread_name("s3.1"), "s3.1");
  EXPECT_EQ(thread_name("fifteen.bytes.0"), "fifteen.bytes.0");
  EXPECT_EQ(thread_name("cloudwatch_logs.0"), "cloudwatch_lo.0");
  EXPECT_EQ(thread_name("cloudwatch_logs.12"), "cloudwatch_l.12");
  EXPECT_EQ(thread_name("a name without a number"), "a name without ");
  EXPECT_EQ(thread_name("a.longer than the whole"), "a.longer than t");
}

TEST(ThreadName, IsWhatTheKernelShows) {
  std::thread([] {
    name_this_thread("cloudwatch_logs.0");
    char name[kThreadNameBytesMax + 1];
    ASSERT_EQ(::pthread_getname_np(::pthread_self(), name, sizeof name), 0);
    EXPECT_STREQ(name, "cloudwatch_lo.0");
  }).join();
}

}  // namespace
}  // namespace noroshi
