// ns per record of the specified pipeline's filter, and of the formats and times behind it.
//   cmake --preset release -DNOROSHI_BENCH=ON && ninja -C build/release filter_bench &&
//   build/release/bin/filter_bench
#include "filter/parser/parser.h"

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "config/classic.h"
#include "parser/parser_registry.h"
#include "parser/time_format.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

constexpr int64_t kRecords = 1000;
// 300 bytes with the fields that Docker's driver adds (container_id is 64 bytes of it).
constexpr std::string_view kLine =
    R"({"timestamp":"2026-11-23T02:53:00.123456+00:00","level":"INFO","logger":"app.access",)"
    R"("message":"GET /items/42 200","request_id":"4f9c1b7e","path":"/items/42","status":200,)"
    R"("duration_ms":12.75})";

class NoOutput final : public FilterOutput {
 public:
  void emit(Chunk& chunk, bool) override { chunk.clear(); }
};

std::string docker_record(std::string_view line) {
  std::string record;
  MsgpackWriter writer(record);
  writer.map_header(4);
  for (const auto& [key, value] : std::initializer_list<std::pair<std::string_view, std::string>>{
           {"container_id", std::string(64, 'c')},
           {"container_name", "/backend"},
           {"source", "stdout"},
           {"log", std::string(line)}}) {
    writer.string(key);
    writer.string(value);
  }
  return record;
}

void run_filter(benchmark::State& state, const FilterPlugin& plugin, std::string conf,
                std::string_view line) {
  Diagnostics diagnostics;
  const Document document = parse_classic_text("bench.conf", std::move(conf), diagnostics);
  const ParserRegistry parsers;
  auto made = plugin.make(*document.find_all(SectionKind::Filter).front(), {.parsers = parsers},
                          diagnostics);
  CHECK(made.has_value(), diagnostics.render());
  Chunk input;
  const std::string record = docker_record(line);
  for (int64_t i = 0; i < kRecords; ++i) input.append(Timestamp(Seconds(1795402380)), record);
  NoOutput output;
  FilterMetrics metrics;
  Chunk chunk;
  for (auto _ : state) {
    chunk.tag = "backend";
    chunk.body = input.body;
    chunk.records = input.records;
    made->filter->apply(chunk, output, metrics);
    benchmark::DoNotOptimize(chunk.body.data());
  }
  state.SetItemsProcessed(state.iterations() * kRecords);
  state.counters["record_bytes"] = static_cast<double>(record.size());
  state.counters["time/record"] = benchmark::Counter(
      static_cast<double>(kRecords),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void SpecifiedParserFilter(benchmark::State& state) {
  run_filter(state, kParserFilter,
             "[FILTER]\n Name parser\n Match *\n Key_Name log\n Parser json\n Reserve_Data On\n",
             kLine);
}
BENCHMARK(SpecifiedParserFilter);

void ParserFilterOnPlainText(benchmark::State& state) {
  run_filter(state, kParserFilter,
             "[FILTER]\n Name parser\n Match *\n Key_Name log\n Parser json\n Reserve_Data On\n",
             R"(INFO:     127.0.0.1:43210 - "GET /items HTTP/1.1" 200 OK)");
}
BENCHMARK(ParserFilterOnPlainText);

void CopyOfTheChunkAlone(benchmark::State& state) {
  Chunk input;
  const std::string record = docker_record(kLine);
  for (int64_t i = 0; i < kRecords; ++i) input.append(Timestamp(Seconds(1795402380)), record);
  Chunk chunk;
  for (auto _ : state) {
    chunk.body = input.body;
    chunk.records = input.records;
    benchmark::DoNotOptimize(chunk.body.data());
  }
  state.SetItemsProcessed(state.iterations() * kRecords);
}
BENCHMARK(CopyOfTheChunkAlone);

void parse_lines(benchmark::State& state, std::string_view parser_name, std::string_view line) {
  const ParserRegistry parsers;
  auto parser = *parsers.make(parser_name);
  std::string out;
  for (auto _ : state) {
    out.clear();
    std::optional<Timestamp> time;
    benchmark::DoNotOptimize(parser->append_map(line, out, time));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(parse_lines, json, "json", kLine);
BENCHMARK_CAPTURE(
    parse_lines, logfmt, "logfmt",
    R"(time=2026-11-23T02:53:00Z level=info msg="GET /items" path=/items status=200)");
BENCHMARK_CAPTURE(
    parse_lines, nginx, "nginx",
    R"(127.0.0.1 - - [22/Nov/2019:11:01:08 +0000] "GET /favicon.ico HTTP/1.1" 404 153 "-" "curl/7.0")");

void ReadIsoTime(benchmark::State& state) {
  const auto format = *TimeFormat::compile("%Y-%m-%dT%H:%M:%S.%L%z", {});
  for (auto _ : state) {
    benchmark::DoNotOptimize(format.parse("2026-11-23T02:53:00.123456+09:00", Timestamp{}));
  }
}
BENCHMARK(ReadIsoTime);

}  // namespace
}  // namespace noroshi

BENCHMARK_MAIN();
