// What one record costs. Not part of the build; by hand:
//   g++ -std=c++23 -O2 -Isrc src/record/record_bench.cc
//   src/record/{json,msgpack}_{writer,reader,parser}.cc …
// or `./dev bench record`.
#include <benchmark/benchmark.h>

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

}  // namespace
}  // namespace noroshi

BENCHMARK_MAIN();
