// OTLP logs: one request written by hand, random requests through both forms, broken bytes, and the
// input over a real socket.
#include <gtest/gtest.h>

#include <random>

#include "input/forward/frame_builder.h"
#include "input/opentelemetry/opentelemetry.h"
#include "input/opentelemetry/otlp_logs.h"
#include "input/plugin_loop.h"
#include "record/json_record.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

// A plain writer of protobuf's wire format.
std::string varint(uint64_t value) {
  std::string out;
  do {
    out.push_back(static_cast<char>((value & 0x7f) | (value > 0x7f ? 0x80 : 0)));
    value >>= 7;
  } while (value != 0);
  return out;
}
std::string number(uint32_t field, uint64_t value) { return varint(field << 3) + varint(value); }
std::string bytes(uint32_t field, std::string_view value) {
  return varint(field << 3 | 2) + varint(value.size()) + std::string(value);
}
std::string fixed(uint32_t field, uint64_t value, int size) {
  std::string out = varint(field << 3 | (size == 8 ? 1 : 5));
  for (int i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

// The same value in both forms.
struct Both {
  std::string protobuf, json;
};

std::string json_text(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string random_word(std::mt19937_64& random) {
  std::string word;
  for (uint64_t n = random() % 12; n > 0; --n) word += "abcXYZ019 _-狼"[random() % 12];
  return word;
}

Both random_value(std::mt19937_64& random, int depth);

Both random_pairs(std::mt19937_64& random, uint32_t field, int depth) {
  Both both;
  for (uint64_t n = random() % 4; n > 0; --n) {
    const std::string key = random_word(random);
    const Both value = random_value(random, depth);
    both.protobuf += bytes(field, bytes(1, key) + bytes(2, value.protobuf));
    both.json += (both.json.empty() ? "" : ",") +
                 ("{\"key\":" + json_text(key) + ",\"value\":" + value.json + "}");
  }
  both.json = "[" + both.json + "]";
  return both;
}

Both random_value(std::mt19937_64& random, int depth) {
  switch (random() % (depth > 3 ? 6 : 8)) {
    case 0: {
      const std::string text = random_word(random);
      return {bytes(1, text), "{\"stringValue\":" + json_text(text) + "}"};
    }
    case 1:
      return {number(2, 1), "{\"boolValue\":true}"};
    case 2: {
      const auto value = static_cast<int64_t>(random());
      return {number(3, static_cast<uint64_t>(value)),
              "{\"intValue\":\"" + std::to_string(value) + "\"}"};
    }
    case 3: {
      const double value = static_cast<double>(static_cast<int32_t>(random())) / 1024;
      return {fixed(4, std::bit_cast<uint64_t>(value), 8),
              fmt::format("{{\"doubleValue\":{}}}", value)};
    }
    case 4:
      return {"", "{}"};
    case 5:
      return {bytes(7, "\x01\xff\x80"), "{\"bytesValue\":\"Af+A\"}"};
    case 6: {
      Both list;
      for (uint64_t n = random() % 4; n > 0; --n) {
        const Both value = random_value(random, depth + 1);
        list.protobuf += bytes(1, value.protobuf);
        list.json += (list.json.empty() ? "" : ",") + value.json;
      }
      return {bytes(5, list.protobuf), "{\"arrayValue\":{\"values\":[" + list.json + "]}}"};
    }
    default: {
      const Both pairs = random_pairs(random, 1, depth + 1);
      return {bytes(6, pairs.protobuf), "{\"kvlistValue\":{\"values\":" + pairs.json + "}}"};
    }
  }
}

Both random_log_record(std::mt19937_64& random) {
  const uint64_t time = 1'700'000'000'000'000'000 + random() % 1'000'000'000;
  const uint64_t severity = random() % 26;
  const std::string text = random_word(random);
  const Both body = random_value(random, 0);
  const Both attributes = random_pairs(random, 6, 0);
  std::vector<std::string> fields = {
      fixed(1, time, 8),         number(2, severity), bytes(3, text),     bytes(5, body.protobuf),
      attributes.protobuf,       number(7, 3),        fixed(8, 257, 4),   bytes(9, "\x01\xab"),
      bytes(10, "\xcd\xef\x01"), fixed(11, 5, 8),     bytes(12, "event"), bytes(99, "unknown")};
  std::shuffle(fields.begin(), fields.end(), random);
  Both both;
  for (const std::string& field : fields) both.protobuf += field;
  both.json = fmt::format(
      "{{\"timeUnixNano\":\"{}\",\"severityNumber\":{},\"severityText\":{},\"body\":{},"
      "\"attributes\":{},\"droppedAttributesCount\":3,\"flags\":257,\"traceId\":\"01ab\","
      "\"spanId\":\"CDEF01\",\"observedTimeUnixNano\":5,\"eventName\":\"event\",\"more\":null}}",
      time, severity, json_text(text), body.json, attributes.json);
  return both;
}

Both random_request(std::mt19937_64& random) {
  Both request;
  for (uint64_t n = random() % 3; n > 0; --n) {
    const Both attributes = random_pairs(random, 1, 0);
    Both scopes;
    for (uint64_t m = random() % 3; m > 0; --m) {
      Both records;
      for (uint64_t k = random() % 4; k > 0; --k) {
        const Both record = random_log_record(random);
        records.protobuf += bytes(2, record.protobuf);
        records.json += (records.json.empty() ? "" : ",") + record.json;
      }
      const Both own = random_pairs(random, 3, 0);
      // The scope behind its records: fields come in any order.
      scopes.protobuf +=
          bytes(2, records.protobuf + bytes(3, "scope-schema") +
                       bytes(1, bytes(1, "lib") + bytes(2, "1.2") + own.protobuf + number(4, 7)));
      scopes.json += (scopes.json.empty() ? "" : ",") +
                     ("{\"logRecords\":[" + records.json +
                      "],\"schemaUrl\":\"scope-schema\",\"scope\":{\"name\":\"lib\",\"version\":"
                      "\"1.2\",\"attributes\":" +
                      own.json + ",\"droppedAttributesCount\":\"7\"}}");
    }
    request.protobuf += bytes(
        1, scopes.protobuf + bytes(1, attributes.protobuf + number(2, 9)) + bytes(3, "schema"));
    request.json +=
        (request.json.empty() ? "" : ",") +
        ("{\"scope_logs\":[" + scopes.json + "],\"resource\":{\"attributes\":" + attributes.json +
         ",\"dropped_attributes_count\":9},\"schemaUrl\":\"schema\"}");
  }
  request.json = "{\"resourceLogs\":[" + request.json + "]}";
  return request;
}

struct Decoded {
  bool ok = false;
  std::vector<std::string> lines;
};

Decoded decode(std::string_view body, bool json, otlp::LogsOptions options = {}) {
  static const ManualClock clock(Timestamp(Seconds(1000)));
  otlp::LogsReader reader(std::move(options), clock);
  RequestChunks chunks;
  Decoded decoded;
  decoded.ok =
      (json ? reader.read_json(body, "tag", chunks) : reader.read_protobuf(body, "tag", chunks))
          .has_value();
  for (const Chunk& chunk : chunks.take()) {
    for (const RecordEntry& entry : chunk.records) {
      EXPECT_TRUE(validate_msgpack(chunk.view().record(entry)).has_value());
      EXPECT_TRUE(validate_msgpack(chunk.view().metadata(entry)).has_value());
      decoded.lines.push_back(fmt::format(
          "{} {} {}", chunk.tag, entry.time.time_since_epoch().count(),
          std::string(chunk.view().record(entry)) + std::string(chunk.view().metadata(entry))));
    }
  }
  return decoded;
}

TEST(Otlp, ARequestWrittenByHand) {
  const std::string json = R"({"resourceLogs":[{
    "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
    "scopeLogs":[{"scope":{"name":"lib"},"logRecords":[
      {"timeUnixNano":"1700000000000000001","severityNumber":17,"severityText":"ERROR",
       "body":{"stringValue":"payment failed"},
       "attributes":[{"key":"order","value":{"intValue":"42"}}],
       "traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"},
      {"observedTimeUnixNano":7,"body":{"kvlistValue":{"values":[
         {"key":"level","value":{"stringValue":"INFO"}},{"key":"t","value":{"stringValue":"a b"}}]}}},
      {}]}]}]})";
  static const ManualClock clock(Timestamp(Seconds(1000)));
  otlp::LogsReader reader({.tag_key = *RecordAccessor::parse("$t")}, clock);
  RequestChunks chunks;
  ASSERT_TRUE(reader.read_json(json, "v1_logs", chunks));
  const std::vector<Chunk> all = chunks.take();
  ASSERT_EQ(all.size(), 3u);
  const ChunkView first = all[0].view();
  EXPECT_EQ(first.record(first.records[0]), record_of(R"({"log":"payment failed"})"));
  EXPECT_EQ(first.records[0].time, Timestamp(Nanoseconds(1'700'000'000'000'000'001)));
  std::string metadata;
  EXPECT_TRUE(append_value_text(metadata, first.metadata(first.records[0])));
  EXPECT_NE(metadata.find(R"("severity_number":17,"severity_text":"ERROR")"), std::string::npos);
  EXPECT_NE(metadata.find(R"("attributes":{"order":42})"), std::string::npos) << metadata;
  EXPECT_NE(
      metadata.find(R"("resource":{"attributes":{"service.name":"shop"}},"scope":{"name":"lib"})"),
      std::string::npos)
      << metadata;
  const ChunkView second = all[1].view();
  EXPECT_EQ(second.tag, "a_b");
  EXPECT_EQ(second.record(second.records[0]), record_of(R"({"level":"INFO","t":"a b"})"));
  EXPECT_EQ(second.records[0].time, Timestamp(Nanoseconds(7)));
  EXPECT_EQ(all[2].view().record(all[2].records[0]), record_of(R"({"log":null})"));
  EXPECT_EQ(all[2].records[0].time, Timestamp(Seconds(1000)));
}

TEST(Otlp, BothFormsGiveTheSameRecords) {
  const auto seed = std::random_device{}();
  std::mt19937_64 random(seed);
  size_t records = 0;
  for (int round = 0; round < 300; ++round) {
    const Both request = random_request(random);
    const Decoded from_protobuf = decode(request.protobuf, false);
    const Decoded from_json = decode(request.json, true);
    ASSERT_TRUE(from_protobuf.ok) << "seed " << seed;
    ASSERT_TRUE(from_json.ok) << "seed " << seed << "\n" << request.json;
    ASSERT_EQ(from_protobuf.lines, from_json.lines) << "seed " << seed << "\n" << request.json;
    records += from_json.lines.size();
  }
  EXPECT_GT(records, 300u);
}

TEST(Otlp, BrokenBytesAreRefusedOrReadAndNeverCrash) {
  const auto seed = std::random_device{}();
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    const Both request = random_request(random);
    for (std::string body : {request.protobuf, request.json}) {
      if (body.empty()) continue;
      body[random() % body.size()] = static_cast<char>(random());
      body.resize(body.size() - random() % 2);
      (void)decode(body, false);
      (void)decode(body, true);
    }
  }
  EXPECT_FALSE(decode("\x0a\x7f", false).ok);
  EXPECT_FALSE(decode("[]", true).ok);
  EXPECT_FALSE(decode(R"({"resourceLogs":3})", true).ok);
  EXPECT_TRUE(decode("", false).ok);
  std::string deep = "{}";
  std::string deep_protobuf;
  for (int n = 0; n < 40; ++n) {
    deep = R"({"arrayValue":{"values":[)" + deep + "]}}";
    deep_protobuf = bytes(5, bytes(1, deep_protobuf));
  }
  EXPECT_TRUE(decode(bytes(1, bytes(2, bytes(2, bytes(5, deep_protobuf)))), false).ok);
  for (int n = 0; n < 40; ++n) deep_protobuf = bytes(5, bytes(1, deep_protobuf));
  EXPECT_FALSE(decode(bytes(1, bytes(2, bytes(2, bytes(5, deep_protobuf)))), false).ok);
}

TEST(Otlp, ALargeResourceIsNotMultipliedWithoutBound) {
  std::string records;
  for (int n = 0; n < 2000; ++n) records += bytes(2, bytes(5, bytes(1, "x")));
  const std::string resource =
      bytes(1, bytes(1, "k") + bytes(2, bytes(1, std::string(100'000, 'v'))));
  EXPECT_FALSE(decode(bytes(1, bytes(1, resource) + bytes(2, records)), false).ok);
}

class OtlpInput : public ListeningLoop {
 protected:
  OtlpInput() : ListeningLoop(kOpentelemetryInput) {}

  std::string ask(std::string_view path, std::string_view body, std::string_view type,
                  std::string_view headers = "") {
    SocketClient client(port_);
    send(client, fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\n{}"
                             "Content-Length: {}\r\n\r\n{}",
                             path, type, headers, body.size(), body));
    std::string all;
    EXPECT_TRUE(run_until([&] {
      all += client.received();
      return all.find("\r\n\r\n") != std::string::npos;
    }));
    return all;
  }
};

TEST_F(OtlpInput, LogsAreStoredThenAcknowledgedAndOtherSignalsRefused) {
  start();
  const std::string request =
      bytes(1, bytes(2, bytes(2, bytes(5, bytes(1, "hello")) + fixed(1, 5, 8))));
  const std::string answer = ask("/v1/logs", request, "application/x-protobuf");
  EXPECT_NE(answer.find("HTTP/1.1 200 OK"), std::string::npos);
  EXPECT_NE(answer.find("Content-Type: application/x-protobuf"), std::string::npos);
  EXPECT_NE(ask("/v1/logs", forward::gzip(R"({"resourceLogs":[]})"), "application/json",
                "Content-Encoding: gzip\r\n")
                .find("\r\n\r\n{}"),
            std::string::npos);
  ASSERT_EQ(sink_.records.size(), 1u);
  EXPECT_EQ(sink_.records[0].record, record_of(R"({"log":"hello"})"));
  EXPECT_EQ(sink_.records[0].tag, "v1_logs");
  EXPECT_FALSE(sink_.records[0].metadata.empty());
  EXPECT_NE(ask("/v1/traces", "", "application/x-protobuf").find(" 501 "), std::string::npos);
  EXPECT_NE(ask("/v2/logs", "", "application/x-protobuf").find(" 404 "), std::string::npos);
  EXPECT_NE(ask("/v1/logs", "\x0a\x7f", "application/x-protobuf").find(" 400 "), std::string::npos);
  EXPECT_NE(ask("/v1/logs", "x", "text/plain").find(" 415 "), std::string::npos);
  EXPECT_EQ(metrics_.malformed.get(), 1u);
}

TEST_F(OtlpInput, OptionsOfFluentBit) {
  start({{"Tag", "otel"},
         {"Tag_From_Uri", "off"},
         {"Logs_Body_Key", "message"},
         {"Logs_Metadata_Key", "meta"},
         {"Successful_Response_Code", "201"}});
  EXPECT_NE(
      ask("/v1/logs",
          R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]})",
          "application/json")
          .find(" 201 "),
      std::string::npos);
  ASSERT_EQ(sink_.records.size(), 1u);
  EXPECT_EQ(sink_.records[0].record, record_of(R"({"message":"x"})"));
  EXPECT_EQ(sink_.records[0].metadata,
            record_of(R"({"meta":{"trace_flags":0},"resource":{},"scope":{}})"));
  EXPECT_EQ(sink_.records[0].tag, "otel");
}

}  // namespace
}  // namespace noroshi
