#include "output/text/text_encoder.h"

#include <gtest/gtest.h>

#include "output/testing/chunk_builder.h"
#include "record/msgpack_text.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;

constexpr Timestamp kTime{Nanoseconds(1'763'866'380'123'456'789)};
constexpr std::string_view kRecord =
    R"({"log":"a \"b\" 狼","n":-7,"u":18446744073709551615,"f":1.5,"t":true,"z":null,"l":[1,"x"],"m":{"k":1}})";

std::string text_of(TextOptions options, const ChunkBuilder& chunk) {
  const TextEncoder encoder(std::move(options));
  std::string out(encoder.opening());
  uint64_t number = 0;
  const ChunkView view = chunk.view();
  for (const RecordEntry& entry : view.records) {
    const std::string before = out;
    if (encoder.append(out, view, entry, number)) {
      ++number;
    } else {
      EXPECT_EQ(out, before);
    }
  }
  return out.append(encoder.closing());
}

std::string text_of(TextOptions options, std::string_view record = kRecord,
                    Timestamp time = kTime) {
  ChunkBuilder chunk("app.web");
  chunk.json(time, record);
  return text_of(std::move(options), chunk);
}

ChunkBuilder two() {
  ChunkBuilder chunk("t");
  chunk.json(kTime, R"({"a":1})").json(kTime, R"({"b":2})");
  return chunk;
}

// As msgpack_object_print() of Fluent Bit 5.1 (lib/msgpack-c/src/objectc.c) puts each type.
TEST(TextEncoder, Msgpack) {
  EXPECT_EQ(
      text_of({.format = TextFormat::Msgpack}),
      "[0] app.web: [[1763866380.123456789, {}], {\"log\"=>\"a \"b\" 狼\", \"n\"=>-7, "
      "\"u\"=>18446744073709551615, \"f\"=>1.500000, \"t\"=>true, \"z\"=>nil, \"l\"=>[1, \"x\"], "
      "\"m\"=>{\"k\"=>1}}]\n");
  EXPECT_EQ(text_of({.format = TextFormat::Msgpack}, two()),
            "[0] t: [[1763866380.123456789, {}], {\"a\"=>1}]\n[1] t: [[1763866380.123456789, {}], "
            "{\"b\"=>2}]\n");
}

TEST(TextEncoder, MsgpackBinaryAndExtension) {
  std::string record;
  MsgpackWriter writer(record);
  writer.map_header(2);
  writer.string("b"), writer.binary(std::string_view("a\0\"\xff", 4));
  writer.string("e"), writer.extension(5, "x");
  std::string text;
  write_msgpack_text(text, record);
  EXPECT_EQ(text, R"--({"b"=>"a\x00\x22\xff", "e"=>(ext: 5)"x"})--");
}

TEST(TextEncoder, MetadataIsShown) {
  Chunk chunk;
  chunk.tag = "t";
  std::string record;
  std::string metadata;
  JsonToMsgpack json;
  ASSERT_TRUE(json.append_object(R"({"a":1})", record));
  ASSERT_TRUE(json.append_object(R"({"m":2})", metadata));
  chunk.append(kTime, record, metadata);
  const TextEncoder encoder({});
  std::string text;
  ASSERT_TRUE(encoder.append(text, chunk.view(), chunk.records[0], 0));
  EXPECT_EQ(text, "[0] t: [[1763866380.123456789, {\"m\"=>2}], {\"a\"=>1}]\n");
}

TEST(TextEncoder, JsonForms) {
  EXPECT_EQ(text_of({.format = TextFormat::Json}, two()),
            "[{\"date\":1763866380.123457,\"a\":1},{\"date\":1763866380.123457,\"b\":2}]\n");
  EXPECT_EQ(text_of({.format = TextFormat::JsonLines}, two()),
            "{\"date\":1763866380.123457,\"a\":1}\n{\"date\":1763866380.123457,\"b\":2}\n");
  EXPECT_EQ(text_of({.format = TextFormat::JsonStream}, two()),
            "{\"date\":1763866380.123457,\"a\":1}{\"date\":1763866380.123457,\"b\":2}\n");
  EXPECT_EQ(text_of({.format = TextFormat::JsonLines, .date_key = ""}, R"({"a":1})"),
            "{\"a\":1}\n");
  EXPECT_EQ(text_of({.format = TextFormat::JsonLines,
                     .date_key = "at",
                     .date_format = JsonDateFormat::Iso8601},
                    R"({"a":1})"),
            "{\"at\":\"2025-11-23T02:53:00.123456Z\",\"a\":1}\n");
}

TEST(TextEncoder, OutFileAndPlain) {
  EXPECT_EQ(text_of({.format = TextFormat::OutFile}, R"({"a":"b"})"),
            "app.web: [1763866380.123456789, {\"a\":\"b\"}]\n");
  EXPECT_EQ(text_of({.format = TextFormat::OutFile}, "{}", Timestamp(Milliseconds(-1500))),
            "app.web: [-2.500000000, {}]\n");
  EXPECT_EQ(text_of({.format = TextFormat::Plain}, R"({"a":"b"})"), "{\"a\":\"b\"}\n");
}

TEST(TextEncoder, CsvAndLtsv) {
  constexpr std::string_view kRow = R"({"a":"x,\"y\"","n":1,"m":{"k":"v"}})";
  EXPECT_EQ(text_of({.format = TextFormat::Csv}, kRow),
            "1763866380.123456789,\"x,\"\"y\"\"\",1,\"{\"\"k\"\":\"\"v\"\"}\"\n");
  EXPECT_EQ(text_of({.format = TextFormat::Ltsv, .delimiter = "\t"}, R"({"a":"x","n":1})"),
            "\"time\":1763866380.123457\t\"a\":\"x\"\t\"n\":1\n");
  ChunkBuilder chunk;
  chunk.json(kTime, kRow);
  EXPECT_EQ(TextEncoder({.format = TextFormat::Csv})
                .column_names(chunk.view().record(chunk.view().records[0])),
            "timestamp,\"a\",\"n\",\"m\"\n");
}

TEST(TextEncoder, Template) {
  const auto filled = [](std::string text) {
    return text_of({.format = TextFormat::Template, .record_template = std::move(text)},
                   R"({"name":"Tom","n":1})");
  };
  EXPECT_EQ(filled("{time} {name} has {n}"), "1763866380.123457 Tom has 1\n");
  EXPECT_EQ(filled("{missing}{name}"), "{missing}Tom\n");
  EXPECT_EQ(filled("{a{name}} {"), "{aTom} {\n");
  EXPECT_EQ(filled("plain } text"), "plain } text\n");
  EXPECT_EQ(filled("{name"), "{name\n");
}

TEST(TextEncoder, RefusesWhatIsNoMap) {
  for (const TextFormat format : {TextFormat::Msgpack, TextFormat::Json, TextFormat::JsonLines,
                                  TextFormat::JsonStream, TextFormat::OutFile, TextFormat::Plain,
                                  TextFormat::Csv, TextFormat::Ltsv, TextFormat::Template}) {
    for (const std::string_view bytes : {"", "\xc1", "\x90", "\x81\xa1",
                                         "\x81\xa1"
                                         "a\x01\x02"}) {
      ChunkBuilder chunk("t");
      chunk.msgpack(kTime, bytes);
      const TextEncoder encoder({.format = format});
      std::string out = "kept";
      EXPECT_FALSE(encoder.append(out, chunk.view(), chunk.view().records[0], 0));
      EXPECT_EQ(out, "kept");
    }
  }
}

}  // namespace
}  // namespace noroshi
