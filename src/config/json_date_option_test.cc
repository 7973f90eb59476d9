#include "config/json_date_option.h"

#include <gtest/gtest.h>

#include "config/diagnostics.h"

namespace noroshi {
namespace {

TEST(JsonDateOption, AFormatOrAnErrorAtItsValue) {
  Diagnostics diagnostics;
  EXPECT_EQ(parse_json_date_option({.name = {}, .text = "epoch", .where = {}}, diagnostics),
            JsonDateFormat::Epoch);
  EXPECT_FALSE(diagnostics.has_errors());
  EXPECT_FALSE(
      parse_json_date_option({.name = {}, .text = "tomorrow", .where = {.line = 3}}, diagnostics));
  ASSERT_EQ(diagnostics.all().size(), 1u);
  EXPECT_EQ(diagnostics.all()[0].message, "\"tomorrow\" is no date format");
  EXPECT_EQ(diagnostics.all()[0].where.line, 3u);
}

}  // namespace
}  // namespace noroshi
