// What append and read cost for each record, in memory and on the disk of $TMPDIR, and the floors:
// the CRC alone, the write alone, a copy.
//   ./dev bench micro journal [--benchmark_filter=…]
#include "journal/journal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/crc32c.h"
#include "base/unique_fd.h"
#include "journal/journal_reader.h"
#include "record/bench_record.h"

namespace noroshi {
namespace {

// Removed with everything in it.
struct Directory {
  explicit Directory(bool on_disk) {
    if (!on_disk) return;
    std::string name = (std::filesystem::temp_directory_path() / "noroshi-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path = name;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    std::error_code ignored;
    if (!path.empty()) std::filesystem::remove_all(path, ignored);
  }
  Path path;  // empty: in memory
};

// Goes round in 64 MiB, as a journal whose outputs keep up does in less.
std::unique_ptr<Journal> open_journal(const Directory& directory) {
  auto journal = Journal::open({.directory = directory.path,
                                .bytes_max = 64 << 20,
                                .disk_free_min = 0,
                                .when_full = WhenFull::DropOldest});
  if (!journal) std::abort();
  return *std::move(journal);
}

void StepAppend(benchmark::State& state, bool on_disk) {
  const Directory directory(on_disk);
  const auto journal = open_journal(directory);
  const Chunk chunk = bench::parsed_chunk();
  for (auto _ : state) {
    if (!journal->append(chunk.view(), {.marks = "12345678"})) std::abort();
  }
  bench::report(state, chunk.body.size(), bench::kRecords);
}
BENCHMARK_CAPTURE(StepAppend, memory, false);
BENCHMARK_CAPTURE(StepAppend, disk, true);

// One record a chunk: what a frame of Message mode costs when no other one came with it.
void AppendOneByOne(benchmark::State& state, bool on_disk) {
  const Directory directory(on_disk);
  const auto journal = open_journal(directory);
  Chunk chunk;
  chunk.tag = "backend-firelens-1";
  chunk.append(bench::kTime, bench::parsed_record(bench::line(0)));
  for (auto _ : state) {
    if (!journal->append(chunk.view(), {.marks = "12345678"})) std::abort();
  }
  bench::report(state, chunk.body.size(), 1);
}
BENCHMARK_CAPTURE(AppendOneByOne, memory, false);
BENCHMARK_CAPTURE(AppendOneByOne, disk, true);

void read(benchmark::State& state, bool on_disk, bool load, const Chunk& chunk, size_t chunks) {
  const Directory directory(on_disk);
  const auto journal = open_journal(directory);
  for (size_t i = 0; i < chunks; ++i) {
    if (!journal->append(chunk.view(), {.marks = "12345678"})) std::abort();
  }
  const auto reader = journal->make_reader({});
  EntryHead head;
  ChunkView view;
  size_t records = 0;
  for (auto _ : state) {
    reader->seek({});
    records = 0;
    while (*reader->next(head) == ReadOutcome::Entry) {
      records += head.record_count;
      if (load && *reader->load(view) != ReadOutcome::Entry) std::abort();
    }
  }
  if (records != chunks * chunk.records.size()) std::abort();
  bench::report(state, chunks * chunk.body.size(), records);
}

void StepRead(benchmark::State& state, bool on_disk) {
  read(state, on_disk, true, bench::parsed_chunk(), 32);
}
BENCHMARK_CAPTURE(StepRead, memory, false);
BENCHMARK_CAPTURE(StepRead, disk, true);

// An output that takes nothing reads the heads alone.
void ReadHeads(benchmark::State& state) { read(state, true, false, bench::parsed_chunk(), 32); }
BENCHMARK(ReadHeads);

void ReadOneByOne(benchmark::State& state) {
  Chunk chunk;
  chunk.tag = "backend-firelens-1";
  chunk.append(bench::kTime, bench::parsed_record(bench::line(0)));
  read(state, true, true, chunk, 32'000);
}
BENCHMARK(ReadOneByOne);

void FloorCrc32c(benchmark::State& state) {
  const Chunk chunk = bench::parsed_chunk();
  for (auto _ : state) benchmark::DoNotOptimize(crc32c(chunk.body));
  bench::report(state, chunk.body.size(), bench::kRecords);
}
BENCHMARK(FloorCrc32c);

// The same bytes into files of 8 MiB, each removed when it is full: nothing but system calls.
void FloorWrite(benchmark::State& state, bool on_disk) {
  const Directory directory(on_disk);
  const Chunk chunk = bench::parsed_chunk();
  const Path path = directory.path / "floor";
  UniqueFd file;
  off_t position = 8 << 20;
  for (auto _ : state) {
    if (position + static_cast<off_t>(chunk.body.size()) > 8 << 20) {
      if (on_disk) ::unlink(path.c_str());
      file = UniqueFd(on_disk ? ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)
                              : ::memfd_create("floor", MFD_CLOEXEC));
      position = 0;
    }
    const ssize_t size = ::pwrite(file.get(), chunk.body.data(), chunk.body.size(), position);
    if (size != static_cast<ssize_t>(chunk.body.size())) std::abort();
    position += size;
  }
  bench::report(state, chunk.body.size(), bench::kRecords);
}
BENCHMARK_CAPTURE(FloorWrite, memory, false);
BENCHMARK_CAPTURE(FloorWrite, disk, true);

void FloorPread(benchmark::State& state) {
  const UniqueFd file(::memfd_create("floor", MFD_CLOEXEC));
  std::string body = bench::parsed_chunk().body;
  for (off_t i = 0; i < 32; ++i) {
    if (::pwrite(file.get(), body.data(), body.size(), i * static_cast<off_t>(body.size())) < 0)
      std::abort();
  }
  for (auto _ : state) {
    for (off_t i = 0; i < 32; ++i) {
      benchmark::DoNotOptimize(
          ::pread(file.get(), body.data(), body.size(), i * static_cast<off_t>(body.size())));
    }
  }
  bench::report(state, 32 * body.size(), 32 * bench::kRecords);
}
BENCHMARK(FloorPread);

void FloorCopy(benchmark::State& state) {
  bench::copy(state, bench::parsed_chunk().body, bench::kRecords);
}
BENCHMARK(FloorCopy);

}  // namespace
}  // namespace noroshi

BENCHMARK_MAIN();
