#include "pipeline/dead_letter_line.h"

#include <gtest/gtest.h>

#include <limits>

#include "record/json_parser.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

std::string line_of(Timestamp time) {
  Chunk chunk;
  chunk.tag = "app";
  std::string record;
  MsgpackWriter writer(record);
  writer.map_header(1);
  writer.string("log"), writer.string("x");
  chunk.append(time, record);
  std::string line;
  write_dead_letter(line, "s3.1", DropReason::TooOld, "why", chunk.view(), 0);
  return line;
}

TEST(DeadLetterLine, IsReadAsItWasWritten) {
  // Every time that a record can have: a record with a time of garbage is given up, and must come
  // back as it was.
  using Limits = std::numeric_limits<int64_t>;
  for (const int64_t nanoseconds :
       {int64_t{0}, int64_t{-1}, int64_t{1'795'402'380'123'456'789}, int64_t{-999'999'999},
        int64_t{-1'000'000'000}, Limits::min(), Limits::min() + 1, Limits::max()}) {
    const Timestamp time{Nanoseconds(nanoseconds)};
    const std::string line = line_of(time);
    std::string msgpack;
    ASSERT_TRUE(JsonToMsgpack().append_object(line, msgpack)) << line;
    const auto letter = read_dead_letter(msgpack);
    ASSERT_TRUE(letter) << line;
    EXPECT_EQ(letter->time, time) << line;
    EXPECT_EQ(letter->tag, "app");
    EXPECT_EQ(letter->reason, "too_old");
    EXPECT_FALSE(letter->record.empty());
  }
}

TEST(DeadLetterLine, ATimeThatNoRecordCanHaveIsNone) {
  EXPECT_TRUE(read_dead_letter_time("2262-04-11T23:47:16.854775807Z"));
  EXPECT_FALSE(read_dead_letter_time("2262-04-11T23:47:16.854775808Z"));
  EXPECT_FALSE(read_dead_letter_time("9999-12-31T23:59:59Z"));
  EXPECT_TRUE(read_dead_letter_time("1677-09-21T00:12:43.145224192Z"));
  EXPECT_FALSE(read_dead_letter_time("1677-09-21T00:12:43.145224191Z"));
  EXPECT_FALSE(read_dead_letter_time("0001-01-01T00:00:00Z"));
}

TEST(DeadLetterLine, TheTimeIsTheWholeText) {
  EXPECT_EQ(read_dead_letter_time("1970-01-01T00:00:01.5Z"), Timestamp(Nanoseconds(1'500'000'000)));
  EXPECT_EQ(read_dead_letter_time("1970-01-01T00:00:01.00000000099Z"),
            Timestamp(Nanoseconds(1'000'000'000)));
  EXPECT_FALSE(read_dead_letter_time("1970-01-01T00:00:01"));
  EXPECT_FALSE(read_dead_letter_time("1970-01-01T00:00:01+01:00"));
  EXPECT_FALSE(read_dead_letter_time({"1970-01-01T00:00:01Z\0Z", 22}));
}

}  // namespace
}  // namespace noroshi
