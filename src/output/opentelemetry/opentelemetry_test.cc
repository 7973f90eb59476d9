#include "output/opentelemetry/opentelemetry.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "output/opentelemetry/otlp_answer.h"
#include "output/request/protobuf_writer.h"
#include "output/testing/output_fixture.h"
#include "record/json_parser.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using ::testing::HasSubstr;
using testing::kRecordTime;
using ::testing::Not;

// Protobuf as text, field by field, in the order of the bytes: "1{2{1:"x"}}". Which fields are
// messages is said by their path.
class Reader {
 public:
  std::string read(std::string_view in, const std::string& path = "") {
    std::string out;
    while (!in.empty()) {
      const uint64_t tag = varint(in);
      const uint64_t field = tag >> 3;
      const std::string here = path + "." + std::to_string(field);
      out += std::to_string(field);
      switch (tag & 7) {
        case 0:
          out += fmt::format(":{} ", static_cast<int64_t>(varint(in)));
          break;
        case 1:
          out += fmt::format(":{} ", fixed(in, 8));
          break;
        case 5:
          out += fmt::format(":{} ", fixed(in, 4));
          break;
        case 2: {
          const uint64_t size = varint(in);
          EXPECT_LE(size, in.size());
          const std::string_view bytes = in.substr(0, size);
          in.remove_prefix(size);
          out += is_message(here) ? "{" + read(bytes, here) + "} " : fmt::format(":\"{}\" ", bytes);
          break;
        }
        default:
          ADD_FAILURE() << "wire type " << (tag & 7);
          return out;
      }
    }
    if (!out.empty()) out.pop_back();
    return out;
  }

 private:
  static uint64_t varint(std::string_view& in) {
    uint64_t value = 0;
    for (int shift = 0; !in.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(in.front());
      in.remove_prefix(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) break;
    }
    return value;
  }
  static uint64_t fixed(std::string_view& in, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i)
      value |= uint64_t{static_cast<unsigned char>(in[i])} << (8 * i);
    in.remove_prefix(size);
    return value;
  }
  // Paths from the request: resource_logs.1, resource.1.1, scope_logs.1.2, log_record.1.2.2, its
  // body .5 and attributes .6; AnyValue's array .5 and map .6.
  static bool is_message(const std::string& path) {
    if (path == ".1" || path == ".1.1" || path == ".1.2" || path == ".1.2.2" || path == ".1.1.1")
      return true;
    if (path.starts_with(".1.1.1")) return path == ".1.1.1.2";
    if (path.starts_with(".1.2.1"))
      return path == ".1.2.1" || path == ".1.2.1.3" || path == ".1.2.1.3.2";
    if (path == ".1.2.2.5" || path == ".1.2.2.6" || path == ".1.2.2.6.2") return true;
    for (const char* value : {".1.2.2.5", ".1.2.2.6.2"}) {
      std::string rest = path;
      if (!rest.starts_with(value)) continue;
      rest.erase(0, std::string(value).size());
      // Alternately AnyValue (.5 array, .6 map) and its values (.1; in maps a KeyValue's .2).
      while (!rest.empty()) {
        if (rest.starts_with(".5.1")) {
          rest.erase(0, 4);
        } else if (rest.starts_with(".6.1.2")) {
          rest.erase(0, 6);
        } else {
          return rest == ".5" || rest == ".6" || rest == ".6.1";
        }
      }
      return true;
    }
    return false;
  }
};

class OpentelemetryTest : public testing::OutputFixture {
 protected:
  std::string body_of(const Pairs& pairs, const ChunkBuilder& chunk) {
    use(kOpentelemetryOutput, pairs);
    fake_.http.answer(200);
    EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
    return Reader().read(request(request_count() - 1).body);
  }
  std::string body_of(const Pairs& pairs, const char* record) {
    ChunkBuilder chunk;
    chunk.json(kRecordTime, record);
    return body_of(pairs, chunk);
  }
  static constexpr const char* kTime = "1763866380123456789";
};

TEST_F(OpentelemetryTest, RequestAndResource) {
  EXPECT_EQ(
      body_of({{"Port", "4318"}, {"add_label", "service.name the backend"}},
              R"({"log":"x","level":"ERROR"})"),
      fmt::format("1{{1{{1{{1:\"service.name\" 2{{1:\"the backend\"}}}}}} "
                  "2{{2{{1:{0} 2:17 5{{1:\"x\"}} 6{{1:\"level\" 2{{1:\"ERROR\"}}}} 11:{0}}}}}}}",
                  kTime));
  EXPECT_EQ(request().url, "http://127.0.0.1:4318/v1/logs");
  EXPECT_EQ(request().headers.get("Content-Type"), "application/x-protobuf");
}

TEST_F(OpentelemetryTest, EveryTypeOfValue) {
  EXPECT_THAT(
      body_of({},
              R"({"s":"x","i":-3,"u":7,"f":1.5,"b":true,"n":null,"l":[1,"y"],"m":{"k":{"z":2}}})"),
      HasSubstr("5{6{1{1:\"s\" 2{1:\"x\"}} 1{1:\"i\" 2{3:-3}} 1{1:\"u\" 2{3:7}} "
                "1{1:\"f\" 2{4:4609434218613702656}} 1{1:\"b\" 2{2:1}} 1{1:\"n\" 2{}} "
                "1{1:\"l\" 2{5{1{3:1} 1{1:\"y\"}}}} "
                "1{1:\"m\" 2{6{1{1:\"k\" 2{6{1{1:\"z\" 2{3:2}}}}}}}}}}"));
}

TEST_F(OpentelemetryTest, LongContentHasALongLength) {
  const std::string text(100'000, 'x');
  EXPECT_THAT(body_of({}, (R"({"log":")" + text + R"("})").c_str()),
              HasSubstr("5{1:\"" + text + "\"}"));
}

TEST_F(OpentelemetryTest, BodyKeysAndAttributes) {
  EXPECT_THAT(body_of({{"logs_body_key", "$absent"}, {"logs_body_key", "$m['t']"}},
                      R"({"m":{"t":"body"},"a":1})"),
              AllOf(HasSubstr("5{1:\"body\"}"), HasSubstr("6{1:\"a\" 2{3:1}}")));
  EXPECT_THAT(body_of({{"logs_body_key_attributes", "off"}}, R"({"message":"m","a":1})"),
              AllOf(HasSubstr("5{1:\"m\"}"), Not(HasSubstr("6{"))));
}

TEST_F(OpentelemetryTest, MetadataAndMessageKeys) {
  Chunk chunk;
  chunk.tag = "t";
  std::string record;
  std::string metadata;
  JsonToMsgpack json;
  ASSERT_TRUE(json.append_object(R"({"log":"x"})", record));
  ASSERT_TRUE(json.append_object(
      R"({"otlp":{"timestamp":5,"observed_timestamp":6,"severity_number":11,"severity_text":"INFO3",
          "trace_id":"30303030303030303030303030303030","span_id":"31313131313131","trace_flags":1,
          "attributes":{"k":"v"},"event_name":"e","dropped_attributes_count":2},
          "resource":{"attributes":{"host":"h"},"schema_url":"r"},
          "scope":{"name":"lib","version":"1","attributes":{"s":1},"schema_url":"u"}})",
      metadata));
  chunk.append(kRecordTime, record, metadata);
  chunk.append(kRecordTime, record);
  use(kOpentelemetryOutput, {});
  fake_.http.answer(200);
  batch_ = *output_->open_batch("", {});
  const uint32_t indexes[] = {0, 1};
  ASSERT_TRUE(batch_->add(chunk.view(), indexes, refused_));
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Delivered);
  // Two resources; a span id of the wrong size is left out.
  EXPECT_EQ(Reader().read(request().body),
            fmt::format("1{{1{{}} 2{{2{{1:{0} 5{{1:\"x\"}} 11:{0}}}}}}} "
                        "1{{1{{1{{1:\"host\" 2{{1:\"h\"}}}}}} "
                        "2{{1{{1:\"lib\" 2:\"1\" 3{{1:\"s\" 2{{3:1}}}}}} 3:\"u\" "
                        "2{{1:5 2:11 3:\"INFO3\" 5{{1:\"x\"}} 6{{1:\"k\" 2{{1:\"v\"}}}} "
                        "7:2 8:1 9:\"0000000000000000\" 11:6 12:\"e\"}}}} 3:\"r\"}}",
                        kTime));
  EXPECT_THAT(body_of({}, R"({"log":"x","SpanId":"3131313131313131","SeverityNumber":3})"),
              AllOf(HasSubstr(" 2:3 "), HasSubstr("10:\"11111111\"")));
}

TEST_F(OpentelemetryTest, PartialSuccess) {
  use(kOpentelemetryOutput, {});
  ChunkBuilder chunk;
  chunk.json(kRecordTime, R"({"log":"x"})").json(kRecordTime, R"({"log":"y"})");
  const auto partial = [](uint64_t rejected) {
    std::string answer;
    ProtobufWriter writer(answer);
    const size_t message = writer.begin_message(1);
    writer.varint_field(1, rejected);
    writer.bytes_field(2, "too old");
    writer.end_message(message);
    return answer;
  };
  fake_.http.answer(200, partial(1));
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
  fake_.http.answer(200, partial(2));
  const Delivery rejected = deliver(chunk);
  EXPECT_EQ(rejected.outcome, Delivery::Outcome::Rejected);
  EXPECT_THAT(rejected.reason, HasSubstr("too old"));
  fake_.http.answer(200, "{}");  // a receiver that answers JSON
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
  fake_.http.answer(503);
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Retry);
}

TEST_F(OpentelemetryTest, WrongOptionsAreNamed) {
  EXPECT_FALSE(make(kOpentelemetryOutput, {{"grpc", "on"}}));
  EXPECT_FALSE(make(kOpentelemetryOutput, {{"add_label", "alone"}}));
  EXPECT_FALSE(make(kOpentelemetryOutput, {{"logs_body_key", "$a['"}}));
}

TEST(OtlpAnswer, UnknownFieldsAreSteppedOver) {
  std::string answer;
  ProtobufWriter writer(answer);
  writer.fixed32_field(7, 1);
  writer.fixed64_field(8, 1);
  writer.varint_field(9, 300);
  const size_t message = writer.begin_message(1);
  writer.varint_field(1, 300);
  writer.bytes_field(2, std::string(1000, 'm'));
  writer.end_message(message);
  const auto parsed = parse_otlp_answer(answer);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->rejected, 300u);
  EXPECT_EQ(parsed->message.size(), 200u);
  EXPECT_TRUE(parse_otlp_answer(""));
  for (size_t size = 1; size < answer.size(); size += 97)
    static_cast<void>(parse_otlp_answer(answer.substr(0, size)));
  EXPECT_FALSE(parse_otlp_answer("\x0a\xff"));
  EXPECT_FALSE(parse_otlp_answer("{}"));
}

}  // namespace
}  // namespace noroshi
