// Inflater: a compressed payload as a stream of plain pieces, so that neither a large chunk nor a
// bomb ever stands in memory whole. gzip (several members one after another, zero padding after the
// last) with ISA-L, checksums verified; zstd (several frames, windows up to 8 MiB).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "input/forward/frame.h"

namespace noroshi::forward {

class Inflater {
 public:
  Inflater();
  ~Inflater();

  // `compressed` must stay until the last read(). Allocates the decompressor's state on first use
  // (gzip about 90 KiB; zstd up to its window) and keeps gzip's.
  void begin(Compression compression, std::string_view compressed);
  // Bytes written to `out`, 0 at the end. Corrupt if the payload is broken or ends early.
  [[nodiscard]] Result<size_t> read(std::span<char> out);

 private:
  struct Gzip;
  struct Zstd;
  [[nodiscard]] Result<size_t> read_gzip(std::span<char> out);
  [[nodiscard]] Result<size_t> read_zstd(std::span<char> out);

  Compression compression_ = Compression::None;
  std::string_view input_ = {};
  bool inside_ = false;  // a member or frame has begun and not ended
  std::unique_ptr<Gzip> gzip_;
  std::unique_ptr<Zstd> zstd_;
};

}  // namespace noroshi::forward
