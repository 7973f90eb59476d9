// What the bytes of an object cost: compression as the S3 output does it, what other libraries and
// levels make of the same blocks, and the checksum. `ratio`: bytes of text for each byte of object.
//   ./dev bench micro output [--benchmark_filter=…]
// The lines are varied_line()'s: with those of bench/bench.py, alike but for a number, every level
// would look three times as good as it is.
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <vector>

#include "base/unique_fd.h"
#include "output/s3/object_checksum.h"
#include "output/s3/object_compressor.h"
#include "record/bench_record.h"

namespace noroshi {
namespace {

// As kBlockBytes of s3_batch.cc.
constexpr size_t kBlockBytes = 128 << 10;

struct Text {
  uint32_t records = 0;
  std::string bytes = bench::ndjson(32 * kBlockBytes, records, bench::varied_line);
  std::vector<std::string_view> blocks = {};
};

const Text& text() {
  static const Text made = [] {
    Text all;
    for (std::string_view left = all.bytes; !left.empty();) {
      all.blocks.push_back(left.substr(0, kBlockBytes));
      left.remove_prefix(all.blocks.back().size());
    }
    return all;
  }();
  return made;
}

void report(benchmark::State& state, size_t compressed) {
  bench::report(state, text().bytes.size(), text().records);
  state.counters["ratio"] =
      static_cast<double>(text().bytes.size()) / static_cast<double>(compressed);
}

// `compress(block, to, room)` gives the compressed size.
template <typename Compress>
void by_block(benchmark::State& state, const Compress& compress) {
  std::string to(2 * kBlockBytes, '\0');
  size_t compressed = 0;
  (void)text();
  for (auto _ : state) {
    compressed = 0;
    for (const std::string_view block : text().blocks) {
      compressed += compress(block, to.data(), to.size());
    }
  }
  report(state, compressed);
}

void StepCompress(benchmark::State& state, ObjectCompression compression) {
  const auto compressor = make_object_compressor(compression);
  std::string out;
  for (auto _ : state) {
    out.clear();
    CompressedObject object;
    for (const std::string_view block : text().blocks) compressor->add(block, object, out);
    compressor->finish(object, out);
  }
  report(state, out.size());
}
BENCHMARK_CAPTURE(StepCompress, gzip, ObjectCompression::Gzip);
BENCHMARK_CAPTURE(StepCompress, zstd, ObjectCompression::Zstd);
BENCHMARK_CAPTURE(StepCompress, none, ObjectCompression::None);

uint8_t* bytes_of(std::string_view block) {
  return reinterpret_cast<uint8_t*>(const_cast<char*>(block.data()));
}

void Igzip(benchmark::State& state) {
  static constexpr uint32_t kBufferBytes[] = {ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT,
                                              ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT};
  const auto level = static_cast<uint32_t>(state.range(0));
  std::vector<uint8_t> buffer(kBufferBytes[level] + 1);
  by_block(state, [&](std::string_view block, char* to, size_t room) {
    isal_zstream stream;
    isal_deflate_stateless_init(&stream);
    stream.level = level;
    stream.level_buf = buffer.data();
    stream.level_buf_size = kBufferBytes[level];
    stream.gzip_flag = IGZIP_DEFLATE;
    stream.flush = FULL_FLUSH;
    stream.next_in = bytes_of(block);
    stream.avail_in = static_cast<uint32_t>(block.size());
    stream.next_out = reinterpret_cast<uint8_t*>(to);
    stream.avail_out = static_cast<uint32_t>(room);
    if (isal_deflate_stateless(&stream) != COMP_OK) std::abort();
    return room - stream.avail_out;
  });
}
BENCHMARK(Igzip)->DenseRange(0, 3);

// One deflate stream over all blocks: what the independence of blocks costs.
void IgzipOneStream(benchmark::State& state) {
  std::vector<uint8_t> buffer(ISAL_DEF_LVL3_DEFAULT);
  std::string to(text().bytes.size(), '\0');
  size_t compressed = 0;
  for (auto _ : state) {
    isal_zstream stream;
    isal_deflate_init(&stream);
    stream.level = static_cast<uint32_t>(state.range(0));
    stream.level_buf = buffer.data();
    stream.level_buf_size = static_cast<uint32_t>(buffer.size());
    stream.end_of_stream = 1;
    stream.next_in = bytes_of(text().bytes);
    stream.avail_in = static_cast<uint32_t>(text().bytes.size());
    stream.next_out = reinterpret_cast<uint8_t*>(to.data());
    stream.avail_out = static_cast<uint32_t>(to.size());
    if (isal_deflate(&stream) != COMP_OK) std::abort();
    compressed = stream.total_out;
  }
  report(state, compressed);
}
BENCHMARK(IgzipOneStream)->DenseRange(1, 3);

void Libdeflate(benchmark::State& state) {
  const std::unique_ptr<libdeflate_compressor, void (*)(libdeflate_compressor*)> compressor(
      libdeflate_alloc_compressor(static_cast<int>(state.range(0))), libdeflate_free_compressor);
  by_block(state, [&](std::string_view block, char* to, size_t room) {
    return libdeflate_deflate_compress(compressor.get(), block.data(), block.size(), to, room);
  });
}
BENCHMARK(Libdeflate)->DenseRange(1, 7)->Arg(9)->Arg(12);

void Zlib(benchmark::State& state) {
  z_stream stream{};
  if (deflateInit2(&stream, static_cast<int>(state.range(0)), Z_DEFLATED, -15, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    std::abort();
  by_block(state, [&](std::string_view block, char* to, size_t room) {
    if (deflateReset(&stream) != Z_OK) std::abort();
    stream.next_in = bytes_of(block);
    stream.avail_in = static_cast<unsigned>(block.size());
    stream.next_out = reinterpret_cast<uint8_t*>(to);
    stream.avail_out = static_cast<unsigned>(room);
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) std::abort();
    return room - stream.avail_out;
  });
  deflateEnd(&stream);
}
BENCHMARK(Zlib)->Arg(1)->Arg(6)->Arg(9);

void Zstd(benchmark::State& state) {
  const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(),
                                                                   ZSTD_freeCCtx);
  by_block(state, [&](std::string_view block, char* to, size_t room) {
    return ZSTD_compressCCtx(context.get(), to, room, block.data(), block.size(),
                             static_cast<int>(state.range(0)));
  });
}
BENCHMARK(Zstd)->Arg(1)->Arg(3)->Arg(6);

void FloorCrc32(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(crc32_gzip_refl(0, bytes_of(text().bytes), text().bytes.size()));
  }
  bench::report(state, text().bytes.size(), text().records);
}
BENCHMARK(FloorCrc32);

void FloorCopyNdjson(benchmark::State& state) { bench::copy(state, text().bytes, text().records); }
BENCHMARK(FloorCopyNdjson);

// Of the compressed bytes: what the object's checksum, and where it is signed its SHA-256, cost.
void StepDigest(benchmark::State& state, ChecksumAlgorithm algorithm, bool payload_hash) {
  const auto compressor = make_object_compressor(ObjectCompression::Gzip);
  std::string object_bytes;
  CompressedObject object;
  for (const std::string_view block : text().blocks) compressor->add(block, object, object_bytes);
  compressor->finish(object, object_bytes);
  const UniqueFd file(::memfd_create("object", MFD_CLOEXEC));
  if (::pwrite(file.get(), object_bytes.data(), object_bytes.size(), 0) < 0) std::abort();
  for (auto _ : state) {
    if (!digest_range(file.get(), 0, object_bytes.size(), algorithm, payload_hash, false))
      std::abort();
  }
  bench::report(state, object_bytes.size(), text().records);
}
BENCHMARK_CAPTURE(StepDigest, crc32c, ChecksumAlgorithm::Crc32c, false);
BENCHMARK_CAPTURE(StepDigest, payload_hash, ChecksumAlgorithm::None, true);

}  // namespace
}  // namespace noroshi

BENCHMARK_MAIN();
