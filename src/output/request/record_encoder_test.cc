#include "output/request/record_encoder.h"

#include <gtest/gtest.h>

#include "output/testing/output_fixture.h"
#include "record/msgpack_reader.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using testing::kRecordTime;

std::string gelf(std::string_view record, const GelfKeys& keys = {}) {
  ChunkBuilder chunk;
  chunk.json(kRecordTime, record);
  std::string out;
  const ChunkView view = chunk.view();
  return write_gelf(out, keys, kRecordTime, view.record(view.records[0])) ? out : "refused" + out;
}

// As Fluent Bit's flb_msgpack_to_gelf().
TEST(Gelf, FieldsAreFlattenedAndRenamed) {
  EXPECT_EQ(gelf(R"({"short_message":"m","host":"h","level":"WARNING","n":1,"f":1.5,"b":true,)"
                 R"("z":null,"id":7,"a":{"b":{"c":"x"},"d":2},"l":[1,"y"]})"),
            R"({"version":"1.1","short_message":"m","host":"h","level":4,"_n":1,"_f":1.5,)"
            R"("_b":"true","_a_b_c":"x","_a_d":2,"_l":"[1,\"y\"]","timestamp":1763866380.123})");
  EXPECT_EQ(gelf(R"({"log":"m","level":"3","timestamp":17.5})", {.short_message = "log"}),
            R"({"version":"1.1","short_message":"m","level":3,"timestamp":17.5})");
  EXPECT_EQ(gelf(R"({"short_message":"m","level":"fine"})"),
            R"({"version":"1.1","short_message":"m","level":"fine","timestamp":1763866380.123})");
}

TEST(Gelf, WithoutAShortMessageThereIsNone) {
  EXPECT_EQ(gelf(R"({"log":"m"})"), "refused");
  EXPECT_EQ(gelf(R"({"short_message":null})"), "refused");
}

TEST(RecordEncoder, MsgpackIsFluentBitsChunkFormat) {
  ChunkBuilder chunk;
  chunk.json(kRecordTime, R"({"a":1})");
  std::string out;
  const ChunkView view = chunk.view();
  ASSERT_TRUE(RecordEncoder({.format = RecordFormat::Msgpack}).append(out, view, view.records[0]));
  MsgpackReader reader(out);
  EXPECT_EQ(*reader.read_array(), 2u);
  EXPECT_EQ(*reader.read_array(), 2u);
  EXPECT_EQ(*reader.read_time(), kRecordTime);
  EXPECT_EQ(*reader.read_map(), 0u);
  EXPECT_EQ(*reader.read_map(), 1u);
  EXPECT_EQ(*reader.read_string(), "a");
  EXPECT_EQ(*reader.read_int(), 1);
  EXPECT_TRUE(reader.at_end());
}

TEST(FormatTime, StrftimeAndDigitsOfTheSecond) {
  EXPECT_EQ(format_time("%Y-%m-%dT%H:%M:%S", kRecordTime), "2025-11-23T02:53:00");
  EXPECT_EQ(format_time("%S.%3N %6N %9N %f", kRecordTime), "00.123 123456 123456789 123456");
  EXPECT_EQ(format_time("%L", kRecordTime), "123456789");
  EXPECT_EQ(format_time("%L", kRecordTime, true), "123");
  EXPECT_EQ(format_time("100%%%3N", kRecordTime), "100%123");
  EXPECT_EQ(format_time("", kRecordTime), "");
  EXPECT_EQ(format_time("%Y", Timestamp(Milliseconds(-1))), "1969");
}

}  // namespace
}  // namespace noroshi
