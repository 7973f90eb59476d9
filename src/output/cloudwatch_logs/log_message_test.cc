#include "output/cloudwatch_logs/log_message.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>

#include "record/json_parser.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

std::string record_of(std::string_view json) {
  std::string record;
  EXPECT_TRUE(JsonToMsgpack().append_object(json, record)) << json;
  return record;
}

std::string message_of(std::string_view json, std::string log_key = {}, bool* missing = nullptr) {
  LogMessageEncoder encoder(std::move(log_key));
  const std::string record = record_of(json);
  const auto message = encoder.encode(record);
  if (!message) return "error: " + message.error().message;
  if (missing != nullptr) *missing = message->log_key_missing;
  return std::string(message->text);
}

TEST(LogMessage, WholeRecordAsJson) {
  EXPECT_EQ(message_of(R"({"level":"INFO","n":1,"nested":{"a":[true,null,1.5]}})"),
            R"({"level":"INFO","n":1,"nested":{"a":[true,null,1.5]}})");
  EXPECT_EQ(message_of("{}"), "{}");
}

TEST(LogMessage, LogKeyOfEveryType) {
  const std::string_view record =
      R"({"s":"a \"b\"\n","i":12345,"n":-7,"f":1.5,"t":true,"z":null,"m":{"a":"x\"y"},"l":[1,"2"]})";
  EXPECT_EQ(message_of(record, "s"), "a \"b\"\n");
  EXPECT_EQ(message_of(record, "i"), "12345");
  EXPECT_EQ(message_of(record, "n"), "-7");
  EXPECT_EQ(message_of(record, "f"), "1.5");
  EXPECT_EQ(message_of(record, "t"), "true");
  EXPECT_EQ(message_of(record, "z"), "null");
  EXPECT_EQ(message_of(record, "m"), R"({"a":"x\"y"})");
  EXPECT_EQ(message_of(record, "l"), R"([1,"2"])");
}

TEST(LogMessage, AbsentKeyGivesTheWholeRecord) {
  bool missing = false;
  EXPECT_EQ(message_of(R"({"message":"m"})", "log", &missing), R"({"message":"m"})");
  EXPECT_TRUE(missing);
  // Fluent Bit takes a key that is a prefix of log_key for it; here the match is exact.
  EXPECT_EQ(message_of(R"({"l":"x","lo":"y","logs":"z"})", "log", &missing),
            R"({"l":"x","lo":"y","logs":"z"})");
  EXPECT_TRUE(missing);
  EXPECT_EQ(message_of(R"({"lo":"x","log":"y"})", "log", &missing), "y");
  EXPECT_FALSE(missing);
}

TEST(LogMessage, EmptyMessageIsOneSpace) { EXPECT_EQ(message_of(R"({"log":""})", "log"), " "); }

TEST(LogMessage, BinaryIsText) {
  std::string record;
  MsgpackWriter writer(record);
  writer.map_header(1);
  writer.string("log");
  writer.binary("as it is");
  LogMessageEncoder encoder("log");
  const auto message = encoder.encode(record);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->text, "as it is");
}

TEST(LogMessage, InvalidUtf8IsRepaired) {
  for (const auto& [bytes, repaired] :
       {std::pair<std::string, std::string>{"a\xFF"
                                            "b",
                                            "a\xEF\xBF\xBD"
                                            "b"},
        {"\xE3\x81", "\xEF\xBF\xBD"},                                 // cut sequence: one mark
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},     // surrogate: three
        {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                     // overlong
        {"\xE7\x8B\xBC\xE7\x85\x99", "\xE7\x8B\xBC\xE7\x85\x99"}}) {  // fine
    std::string record;
    MsgpackWriter writer(record);
    writer.map_header(1);
    writer.string("log");
    writer.string(bytes);
    LogMessageEncoder encoder("log");
    const auto message = encoder.encode(record);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->text, repaired);
  }
}

TEST(LogMessage, RepairAlwaysGivesUtf8) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  constexpr std::string_view kInteresting =
      "a\xC2\xA9\xE3\x81\x82\xF0\x9F\x94\xA5\xED\xA0\x80\xF4\x90\xFF";
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint32_t i = random() % 24; i > 0; --i)
      text += kInteresting[random() % kInteresting.size()];
    std::string repaired;
    append_repaired_utf8(repaired, text);
    EXPECT_TRUE(simdjson::validate_utf8(repaired)) << ::testing::PrintToString(text);
    if (simdjson::validate_utf8(text)) {
      EXPECT_EQ(repaired, text);
    }
  }
}

constexpr std::string_view kEmf =
    R"({"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"n","Dimensions":[[]],"Metrics":[{"Name":"m"}]}]},"m":1})";

std::string docker_record(std::string_view log) {
  std::string record;
  MsgpackWriter writer(record);
  writer.map_header(2);
  writer.string("container_id"), writer.string("c1");
  writer.string("log"), writer.string(log);
  return record;
}

TEST(LogMessage, EmfLineGoesAloneAndWhole) {
  const std::string line(kEmf);
  for (const std::string log_key : {"", "log", "other"}) {
    LogMessageEncoder encoder(log_key);
    for (const std::string& log : {line, line + "\n", "  " + line + "\r\n"}) {
      const std::string record = docker_record(log);
      const auto message = encoder.encode(record);
      ASSERT_TRUE(message);
      EXPECT_EQ(message->text, kEmf) << "log_key " << log_key;
    }
  }
  // The record itself is one, after a parser.
  EXPECT_EQ(message_of(kEmf), kEmf);
  EXPECT_EQ(message_of(kEmf, "log"), kEmf);
  // As a map under log_key.
  EXPECT_EQ(message_of(std::string(R"({"log":)") + line + "}", "log"), kEmf);
}

TEST(LogMessage, NotQuiteEmf) {
  LogMessageEncoder encoder;
  for (const std::string_view line :
       {R"({"a":"\"_aws\""})", R"({"nested":{"_aws":{}}})", R"({"_aws":1})", R"({"_aws":{}} tail)",
        R"(prefix {"_aws":{}})", R"({"_aws":{})"}) {
    EXPECT_FALSE(encoder.is_emf(line)) << line;
    const std::string record = docker_record(line);
    const auto message = encoder.encode(record);
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->text.starts_with(R"({"container_id":"c1","log":)")) << message->text;
  }
  EXPECT_TRUE(encoder.is_emf(R"({"_aws":{}})"));
}

TEST(LogMessage, NotARecord) {
  LogMessageEncoder encoder;
  std::string array;
  MsgpackWriter(array).array_header(0);
  for (const std::string& bytes : {std::string(), std::string("\xc1"), array,
                                   std::string("\x81\xa1"
                                               "a")}) {
    const auto message = encoder.encode(bytes);
    ASSERT_FALSE(message);
    EXPECT_EQ(message.error().code, ErrorCode::Corrupt);
  }
}

TEST(LogMessage, TooLargeIsRefusedNotEncoded) {
  std::string record;
  MsgpackWriter writer(record);
  writer.map_header(1);
  writer.string("log");
  writer.string(std::string(3 << 20, '\x01'));  // 18 MiB as JSON
  LogMessageEncoder encoder;
  const auto message = encoder.encode(record);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code, ErrorCode::Exhausted);
}

}  // namespace
}  // namespace noroshi
