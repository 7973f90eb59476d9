#include "record/valid_record.h"

#include <gtest/gtest.h>

namespace noroshi {
namespace {

using namespace std::string_view_literals;

TEST(ValidRecord, IsOneWholeMap) {
  EXPECT_TRUE(is_valid_record("\x80"sv));
  EXPECT_TRUE(is_valid_record("\x81\xa1k\x01"sv));
  EXPECT_FALSE(is_valid_record(""sv));
  EXPECT_FALSE(is_valid_record("\x90"sv));           // an array
  EXPECT_FALSE(is_valid_record("\xa1k"sv));          // a string
  EXPECT_FALSE(is_valid_record("\x81\xa1k"sv));      // cut off
  EXPECT_FALSE(is_valid_record("\x80\x80"sv));       // something behind it
  EXPECT_FALSE(is_valid_record("\x81\xa1k\xc1"sv));  // a byte that begins no value
}

}  // namespace
}  // namespace noroshi
