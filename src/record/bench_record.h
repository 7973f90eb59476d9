// For benchmarks: the records of bench/bench.py as each step of the pipeline sees them, and what
// every benchmark reports: bytes/s, and ns/record beside it.
#pragma once

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

#include "record/chunk.h"
#include "record/json_parser.h"
#include "record/json_writer.h"
#include "record/msgpack_writer.h"

namespace noroshi::bench {

inline constexpr uint32_t kRecords = 1000;  // in a chunk
inline constexpr Timestamp kTime{Seconds(1795402380)};

// line() of bench/bench.py: one in a hundred is an error, and only `n` differs.
inline std::string line(uint32_t number) {
  return fmt::format(
      R"({{"timestamp": "2026-11-23T02:53:00.123456Z", "level": "{}", "logger": "backend.orders", )"
      R"("message": "order accepted and queued for packing in the warehouse", )"
      R"("request_id": "1f0c5c5e-8e8a-4a52-9d0a-3f7f3a5b6c7d", "path": "/orders", "status": 200, )"
      R"("duration_ms": 12.345, "n": {}}})",
      number % 100 == 0 ? "ERROR" : "INFO", number);
}

// As line(), but what differs in the log of an application differs: what a compressor must be
// measured with.
inline std::string varied_line(uint32_t number) {
  static constexpr std::string_view kPaths[] = {"/orders", "/items", "/customers", "/health"};
  static constexpr std::string_view kMessages[] = {
      "order {} accepted and queued for packing in the warehouse",
      "payment of order {} authorised by the provider, waiting for the capture",
      "item {} is out of stock, the customer was offered another one instead",
      "customer {} signed in from a new device and was sent a message"};
  std::minstd_rand random(number + 1);
  random.discard(2);
  const auto bits = [&] { return static_cast<unsigned>(random()) & 0xffff; };
  const unsigned kind = bits() % 4, order = bits() * 7, micros = bits() * 15;
  return fmt::format(
      R"({{"timestamp": "2026-11-23T02:53:{:02}.{:06}Z", "level": "{}", "logger": "backend.orders", )"
      R"("message": "{}", )"
      R"("request_id": "{:04x}{:04x}-{:04x}-4{:03x}-9{:03x}-{:04x}{:04x}{:04x}", )"
      R"("path": "{}/{}", "status": {}, "duration_ms": {:.3f}, "n": {}}})",
      number / 50 % 60, micros, number % 100 == 0 ? "ERROR" : "INFO",
      fmt::format(fmt::runtime(kMessages[kind]), order), bits(), bits(), bits(), bits() & 0xfff,
      bits() & 0xfff, bits(), bits(), bits(), kPaths[kind], order, number % 100 == 0 ? 500 : 200,
      bits() / 977.0, number);
}

inline void append_docker_pairs(MsgpackWriter& writer) {
  writer.string("container_id");
  writer.string(std::string(64, '0'));
  writer.string("container_name");
  writer.string("/ecs-backend-1");
  writer.string("source");
  writer.string("stdout");
}

// As Docker's driver sends a line.
inline std::string docker_record(std::string_view log) {
  std::string record;
  MsgpackWriter writer(record);
  writer.map_header(4);
  append_docker_pairs(writer);
  writer.string("log");
  writer.string(log);
  return record;
}

// As the specified parser filter leaves it: the keys of the line, then Docker's.
inline std::string parsed_record(std::string_view log) {
  std::string record;
  if (!JsonToMsgpack().append_object(log, record)) std::abort();
  const auto pairs = static_cast<unsigned>(record[0]) & 0x0f;
  if (pairs > 12) std::abort();
  record[0] = static_cast<char>(0x80 | (pairs + 3));
  MsgpackWriter writer(record);
  append_docker_pairs(writer);
  return record;
}

inline Chunk parsed_chunk(std::string (*make_line)(uint32_t) = line) {
  Chunk chunk;
  chunk.tag = "backend-firelens-1";
  for (uint32_t n = 0; n < kRecords; ++n) chunk.append(kTime, parsed_record(make_line(n)));
  return chunk;
}

// What the S3 output writes of such chunks: `bytes` of it, in whole lines, and their number.
inline std::string ndjson(size_t bytes, uint32_t& records,
                          std::string (*make_line)(uint32_t) = line) {
  std::string text;
  for (records = 0; text.size() < bytes; ++records) {
    if (!write_ndjson_record(text, {}, kTime, parsed_record(make_line(records)))) std::abort();
  }
  return text;
}

// `bytes` and `records` of one iteration.
inline void report(benchmark::State& state, size_t bytes, size_t records) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
  state.counters["time/record"] = benchmark::Counter(
      static_cast<double>(records),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

// The floor under every step: the same bytes, copied.
inline void copy(benchmark::State& state, std::string_view bytes, size_t records) {
  std::string to(bytes.size(), '\0');
  for (auto _ : state) {
    std::memcpy(to.data(), bytes.data(), bytes.size());
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  report(state, bytes.size(), records);
}

}  // namespace noroshi::bench
