// For benchmarks: a filter on chunks of records as Docker's driver sends them.
#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "base/check.h"
#include "config/classic.h"
#include "filter/plugin.h"
#include "parser/parser_registry.h"
#include "record/msgpack_writer.h"

namespace noroshi {

inline constexpr int64_t kBenchRecords = 1000;  // in a chunk

// With the fields that Docker's driver adds; container_id is 64 bytes of them.
inline std::string docker_record(std::string_view line) {
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

inline Chunk docker_chunk(std::string_view line) {
  Chunk chunk;
  chunk.tag = "backend";
  const std::string record = docker_record(line);
  for (int64_t i = 0; i < kBenchRecords; ++i) chunk.append(Timestamp(Seconds(1795402380)), record);
  return chunk;
}

// `options`: the lines of the filter's section behind Name and Match.
inline void run_filter(benchmark::State& state, const FilterPlugin& plugin,
                       const std::string& options, std::string_view line) {
  class NoOutput final : public FilterOutput {
    void emit(Chunk& chunk, bool) override { chunk.clear(); }
  } output;
  Diagnostics diagnostics;
  const Document document =
      parse_classic_text("bench.conf", "[FILTER]\n Name x\n Match *\n" + options, diagnostics);
  const ParserRegistry parsers;
  auto made = plugin.make(*document.find_all(SectionKind::Filter).front(), {.parsers = parsers},
                          diagnostics);
  CHECK(made.has_value(), diagnostics.render());
  const Chunk input = docker_chunk(line);
  FilterMetrics metrics;
  Chunk chunk;
  for (auto _ : state) {
    chunk.tag = input.tag;
    chunk.body = input.body;
    chunk.records = input.records;
    made->filter->apply(chunk, output, metrics);
    benchmark::DoNotOptimize(chunk.body.data());
  }
  state.SetItemsProcessed(state.iterations() * kBenchRecords);
  state.counters["time/record"] = benchmark::Counter(
      static_cast<double>(kBenchRecords),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

}  // namespace noroshi
