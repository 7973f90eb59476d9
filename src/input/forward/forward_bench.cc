// What one record costs on its way from a read buffer into a chunk, without sockets and sink.
//   ./dev bench micro input [--benchmark_filter=…]
#include <benchmark/benchmark.h>

#include "input/forward/entry_decoder.h"
#include "input/forward/frame_builder.h"
#include "record/bench_record.h"

namespace noroshi::forward {
namespace {

// The record of bench/bench.py as Docker sends it.
std::string docker_record(int number) {
  return bench::docker_record(bench::line(static_cast<uint32_t>(number)));
}

void decode(benchmark::State& state, const std::string& stream, size_t records) {
  EntryDecoder decoder(system_clock());
  ChunkCollector collector;
  size_t stored = 0;
  for (auto _ : state) {
    std::string_view rest = stream;
    FrameScanner scanner;
    while (!rest.empty()) {
      if (scanner.scan(rest, 12 << 20) != FrameScanner::Outcome::Frame) std::abort();
      const auto frame = parse_frame(rest.substr(0, scanner.size()), scanner);
      decoder.begin(*frame, frame->tag, nullptr);
      while (decoder.decode(collector) == EntryDecoder::Progress::CollectorFull) {
        (void)collector.hand_on_all(
            [&](Chunk& chunk) { return stored += chunk.records.size(), true; });
      }
      rest.remove_prefix(scanner.size());
      scanner.reset();
    }
    (void)collector.hand_on_all([&](Chunk& chunk) { return stored += chunk.records.size(), true; });
  }
  if (stored != records * state.iterations()) std::abort();
  state.SetItemsProcessed(static_cast<int64_t>(stored));
  bench::report(state, stream.size(), records);
}

std::string thousand_entries() {
  std::string entries;
  for (int n = 0; n < 1000; ++n) entries += array({event_time(1'700'000'000, 5), docker_record(n)});
  return entries;
}

void packed_forward(benchmark::State& state) {
  decode(state, packed("app", thousand_entries(), map({})), 1000);
}
void packed_forward_gzip(benchmark::State& state) {
  decode(state, packed("app", gzip(thousand_entries()), map({text("compressed"), text("gzip")})),
         1000);
}
void forward_mode(benchmark::State& state) {
  std::string stream = "\x92" + text("app") + std::string("\xdc\x03\xe8", 3) + thousand_entries();
  decode(state, stream, 1000);
}
void message_mode(benchmark::State& state) {
  std::string stream;
  for (int n = 0; n < 700; ++n) {  // what fits into one read
    stream += array({text("backend-firelens-0123456789abcdef"), event_time(1'700'000'000, 5),
                     docker_record(n), map({})});
  }
  decode(state, stream, 700);
}
void floor_copy(benchmark::State& state) {
  bench::copy(state, packed("app", thousand_entries(), map({})), 1000);
}
BENCHMARK(packed_forward);
BENCHMARK(packed_forward_gzip);
BENCHMARK(forward_mode);
BENCHMARK(message_mode);
BENCHMARK(floor_copy);

}  // namespace
}  // namespace noroshi::forward

BENCHMARK_MAIN();
