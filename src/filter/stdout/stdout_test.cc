#include "filter/stdout/stdout.h"

#include <gtest/gtest.h>

#include "record/json_record.h"

namespace noroshi {
namespace {

TEST(StdoutFilter, ShowsRecordsAsFluentBitDoes) {
  Chunk chunk;
  chunk.tag = "app.web";
  chunk.append(Timestamp(Nanoseconds(1763866380123456789)), record_of(R"({"log":"a","n":1.5})"));
  chunk.append(Timestamp(Seconds(1)), record_of(R"({"m":{"k":null}})"), record_of(R"({"s":1})"));
  std::string out;
  append_shown_records(out, chunk.view());
  EXPECT_EQ(out,
            "[0] app.web: [1763866380.123456789, {}, {\"log\"=>\"a\", \"n\"=>1.500000}]\n"
            "[1] app.web: [1.000000000, {\"s\"=>1}, {\"m\"=>{\"k\"=>nil}}]\n");
}

}  // namespace
}  // namespace noroshi
