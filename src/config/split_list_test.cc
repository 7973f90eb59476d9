#include "config/split_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace noroshi {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SplitList, WordsWithoutBlanksAndWithoutEmptyOnes) {
  EXPECT_THAT(split_list("a"), ElementsAre("a"));
  EXPECT_THAT(split_list(" a , b c,,d,"), ElementsAre("a", "b c", "d"));
  EXPECT_THAT(split_list(""), IsEmpty());
  EXPECT_THAT(split_list(" , ,"), IsEmpty());
}

}  // namespace
}  // namespace noroshi
