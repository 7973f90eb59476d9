// What one record costs in the codecs, the severity and the conditions, and the floors under them.
//   ./dev bench micro record [--benchmark_filter=…]
#include <benchmark/benchmark.h>
#include <simdjson.h>

#include "record/bench_record.h"
#include "record/condition.h"
#include "record/json_parser.h"
#include "record/json_writer.h"
#include "record/record_accessor.h"

namespace noroshi {
namespace {

constexpr std::string_view kJson =
    R"({"timestamp":"2026-11-23T02:53:00.123456Z","level":"INFO","logger":"app.api.orders",)"
    R"("message":"order 4711 created for customer 1234 in 3 steps, payment authorised by the provider",)"
    R"("request_id":"0f8fad5b-d9cb-469f-a165-70867728950e","path":"/api/v1/orders","status":201,)"
    R"("duration_ms":12.375,"user":{"id":1234,"name":"Hanako"}})";
constexpr std::string_view kDocker =
    R"({"container_id":"9f3c0b8e1d2a4f5b6c7d8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",)"
    R"("container_name":"/ecs-backend-6-app-d0c8a1b2c3d4e5f60100","source":"stdout",)"
    R"("log":"INFO:     10.0.1.23:39104 - \"GET /api/v1/orders HTTP/1.1\" 200 OK"})";
constexpr std::string_view kJapanese =
    R"({"level":"ERROR","message":"注文の作成に失敗しました。決済サービスからの応答がありません。再試行してください。","path":"/api/v1/orders"})";

std::string msgpack_of(std::string_view json) {
  std::string out;
  if (!JsonToMsgpack().append_object(json, out)) std::abort();
  return out;
}

void parse(benchmark::State& state, std::string_view json) {
  JsonToMsgpack parser;
  std::string out;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(parser.append_object(json, out));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * json.size()));
}

void write(benchmark::State& state, std::string_view json) {
  const std::string record = msgpack_of(json);
  const NdjsonOptions options;
  std::string out;
  for (auto _ : state) {
    if (out.size() > 1 << 20) out.clear();
    benchmark::DoNotOptimize(
        write_ndjson_record(out, options, Timestamp(Seconds(1795402380)), record));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * json.size()));
}

void skip(benchmark::State& state, std::string_view json) {
  const std::string record = msgpack_of(json);
  for (auto _ : state) benchmark::DoNotOptimize(validate_msgpack(record));
}

void infer(benchmark::State& state, std::string_view json) {
  const std::string record = msgpack_of(json);
  for (auto _ : state) benchmark::DoNotOptimize(infer_severity(record));
}

void find_last_key(benchmark::State& state) {
  const std::string record = msgpack_of(kJson);
  const auto accessor = RecordAccessor::parse("$user['name']");
  for (auto _ : state) benchmark::DoNotOptimize(accessor->find(record));
}

void condition(benchmark::State& state, std::string_view json) {
  Chunk chunk;
  const std::string record = msgpack_of(json);
  for (int i = 0; i < 1000; ++i) chunk.append({}, record);
  RecordCondition grep;
  if (!grep.add_grep("level ERROR,CRITICAL,FATAL")) std::abort();
  Bitmap selected;
  for (auto _ : state) {
    for (RecordEntry& entry : chunk.records) entry.severity = Severity::NotInferred;
    grep.evaluate(chunk.records, chunk.body, selected);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * 1000));
}

BENCHMARK_CAPTURE(parse, structured, kJson);
BENCHMARK_CAPTURE(parse, docker, kDocker);
BENCHMARK_CAPTURE(parse, japanese, kJapanese);
BENCHMARK_CAPTURE(write, structured, kJson);
BENCHMARK_CAPTURE(write, docker, kDocker);
BENCHMARK_CAPTURE(write, japanese, kJapanese);
BENCHMARK_CAPTURE(skip, structured, kJson);
BENCHMARK_CAPTURE(skip, docker, kDocker);
BENCHMARK_CAPTURE(infer, structured, kJson);
BENCHMARK_CAPTURE(infer, plain_line, kDocker);
BENCHMARK(find_last_key);
BENCHMARK_CAPTURE(condition, structured, kJson);
BENCHMARK_CAPTURE(condition, plain_line, kDocker);

// ---- the steps on the record of bench/bench.py, and their floors
// ----------------------------------

// The bytes that go in.
const std::string& lines() {
  static const std::string text = [] {
    std::string all;
    for (uint32_t n = 0; n < bench::kRecords; ++n) all += bench::line(n) + '\n';
    return all;
  }();
  return text;
}

void StepParseJson(benchmark::State& state) {
  std::vector<std::string> json;
  for (uint32_t n = 0; n < bench::kRecords; ++n) json.push_back(bench::line(n));
  JsonToMsgpack parser;
  std::string out;
  for (auto _ : state) {
    out.clear();
    for (const std::string& line : json)
      if (!parser.append_object(line, out)) std::abort();
    benchmark::DoNotOptimize(out.data());
  }
  bench::report(state, lines().size(), bench::kRecords);
}

std::vector<simdjson::padded_string> padded_lines() {
  std::vector<simdjson::padded_string> json;
  for (uint32_t n = 0; n < bench::kRecords; ++n)
    json.emplace_back(std::string_view(bench::line(n)));
  return json;
}

void FloorSimdjsonStage1(benchmark::State& state) {
  const auto json = padded_lines();
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  if (simdjson::get_active_implementation()->create_dom_parser_implementation(4096, 64, parser))
    std::abort();
  for (auto _ : state) {
    for (const simdjson::padded_string& line : json) {
      if (parser->stage1(reinterpret_cast<const uint8_t*>(line.data()), line.size(),
                         simdjson::stage1_mode::regular))
        std::abort();
    }
  }
  bench::report(state, lines().size(), bench::kRecords);
}

void FloorSimdjsonDom(benchmark::State& state) {
  const auto json = padded_lines();
  simdjson::dom::parser parser;
  for (auto _ : state) {
    for (const simdjson::padded_string& line : json)
      benchmark::DoNotOptimize(parser.parse(line).error());
  }
  bench::report(state, lines().size(), bench::kRecords);
}

void FloorCopyLines(benchmark::State& state) { bench::copy(state, lines(), bench::kRecords); }

std::string_view record_of(const Chunk& chunk, const RecordEntry& entry) {
  return chunk.view().record(entry);
}

void StepSeverity(benchmark::State& state, bool parsed) {
  Chunk chunk;
  for (uint32_t n = 0; n < bench::kRecords; ++n) {
    const std::string line = bench::line(n);
    chunk.append(bench::kTime, parsed ? bench::parsed_record(line) : bench::docker_record(line));
  }
  for (auto _ : state) {
    for (const RecordEntry& entry : chunk.records)
      benchmark::DoNotOptimize(infer_severity(record_of(chunk, entry)));
  }
  bench::report(state, chunk.body.size(), bench::kRecords);
}

// Every value stepped over once: no severity, no condition and no router can cost less than a part
// of it.
void FloorSkipRecord(benchmark::State& state) {
  const Chunk chunk = bench::parsed_chunk();
  for (auto _ : state) {
    for (const RecordEntry& entry : chunk.records)
      benchmark::DoNotOptimize(validate_msgpack(record_of(chunk, entry)));
  }
  bench::report(state, chunk.body.size(), bench::kRecords);
}

void FloorCopyRecords(benchmark::State& state) {
  bench::copy(state, bench::parsed_chunk().body, bench::kRecords);
}

void StepEncodeJson(benchmark::State& state) {
  const Chunk chunk = bench::parsed_chunk();
  const NdjsonOptions options;
  std::string out;
  for (auto _ : state) {
    out.clear();
    for (const RecordEntry& entry : chunk.records)
      if (!write_ndjson_record(out, options, entry.time, record_of(chunk, entry))) std::abort();
    benchmark::DoNotOptimize(out.data());
  }
  bench::report(state, out.size(), bench::kRecords);
}

void FloorCopyNdjson(benchmark::State& state) {
  uint32_t records = 0;
  const std::string text = bench::ndjson(400'000, records);
  bench::copy(state, text, records);
}

// Strings of one length: keys are of 4 to 16 bytes, values of 4 to 100.
void EscapeStrings(benchmark::State& state) {
  const std::string text(static_cast<size_t>(state.range(0)), 'x');
  std::string out;
  for (auto _ : state) {
    out.clear();
    write_json_string(out, text);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

BENCHMARK(StepParseJson);
BENCHMARK(FloorSimdjsonStage1);
BENCHMARK(FloorSimdjsonDom);
BENCHMARK(FloorCopyLines);
BENCHMARK_CAPTURE(StepSeverity, parsed, true);
BENCHMARK_CAPTURE(StepSeverity, json_in_log, false);
BENCHMARK(FloorSkipRecord);
BENCHMARK(FloorCopyRecords);
BENCHMARK(StepEncodeJson);
BENCHMARK(FloorCopyNdjson);
BENCHMARK(EscapeStrings)->Arg(5)->Arg(10)->Arg(20)->Arg(36)->Arg(64)->Arg(200);

}  // namespace
}  // namespace noroshi

BENCHMARK_MAIN();
