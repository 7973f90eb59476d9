// ns per record of the specified pipeline's filter, and of the formats and times behind it.
//   cmake --preset release -DNOROSHI_BENCH=ON && ninja -C build/release filter_bench &&
//   build/release/bin/filter_bench
#include "filter/parser/parser.h"

#include "filter/bench_filter.h"
#include "parser/time_format.h"

namespace noroshi {
namespace {

// 300 bytes with the fields that Docker's driver adds.
constexpr std::string_view kLine =
    R"({"timestamp":"2026-11-23T02:53:00.123456+00:00","level":"INFO","logger":"app.access",)"
    R"("message":"GET /items/42 200","request_id":"4f9c1b7e","path":"/items/42","status":200,)"
    R"("duration_ms":12.75})";

void SpecifiedParserFilter(benchmark::State& state) {
  run_filter(state, kParserFilter, " Key_Name log\n Parser json\n Reserve_Data On\n", kLine);
}
BENCHMARK(SpecifiedParserFilter);

void ParserFilterOnPlainText(benchmark::State& state) {
  run_filter(state, kParserFilter, " Key_Name log\n Parser json\n Reserve_Data On\n",
             R"(INFO:     127.0.0.1:43210 - "GET /items HTTP/1.1" 200 OK)");
}
BENCHMARK(ParserFilterOnPlainText);

void CopyOfTheChunkAlone(benchmark::State& state) {
  const Chunk input = docker_chunk(kLine);
  Chunk chunk;
  for (auto _ : state) {
    chunk.body = input.body;
    chunk.records = input.records;
    benchmark::DoNotOptimize(chunk.body.data());
  }
  state.SetItemsProcessed(state.iterations() * kBenchRecords);
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
