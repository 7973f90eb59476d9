// What one record costs on its way from a read buffer into a chunk, without sockets and sink.
//   cmake --preset release && ninja -C build/release forward_bench &&
//   build/release/bin/forward_bench
#include <benchmark/benchmark.h>

#include "input/forward/entry_decoder.h"
#include "input/forward/frame_builder.h"

namespace noroshi::forward {
namespace {

// A record of 300 bytes as Docker sends it.
std::string docker_record(int number) {
  std::string line =
      R"({"timestamp":"2026-11-23T02:53:00.123Z","level":"INFO","message":"request )" +
      std::to_string(number) + "\"}";
  std::string record =
      map({text("container_id"), text(std::string(64, 'a')), text("container_name"),
           text("/backend"), text("source"), text("stdout"), text("log"), text(line)});
  record = map({text("container_id"), text(std::string(64, 'a')), text("container_name"),
                text("/backend"), text("source"), text("stdout"), text("log"),
                text(line + std::string(300 - record.size(), ' '))});
  return record;
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
  state.SetBytesProcessed(static_cast<int64_t>(stream.size() * state.iterations()));
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
BENCHMARK(packed_forward);
BENCHMARK(packed_forward_gzip);
BENCHMARK(forward_mode);
BENCHMARK(message_mode);

}  // namespace
}  // namespace noroshi::forward

BENCHMARK_MAIN();
