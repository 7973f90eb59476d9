#include "output/request/zstd_buffer.h"

#include <zstd.h>

#include "base/check.h"

namespace noroshi {
namespace {

constexpr int kZstdLevel = 3;

}  // namespace

struct ZstdBuffer::Context {
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> zstd{ZSTD_createCCtx(), ZSTD_freeCCtx};
};

ZstdBuffer::ZstdBuffer() = default;
ZstdBuffer::ZstdBuffer(ZstdBuffer&& other) noexcept = default;
ZstdBuffer::~ZstdBuffer() = default;

std::string_view ZstdBuffer::compress(std::string_view data) {
  if (!context_) context_ = std::make_unique<Context>();
  compressed_.resize(ZSTD_compressBound(data.size()));
  const size_t size = ZSTD_compressCCtx(context_->zstd.get(), compressed_.data(),
                                        compressed_.size(), data.data(), data.size(), kZstdLevel);
  CHECK(!ZSTD_isError(size), "zstd has a buffer of the size it asked for");
  return std::string_view(compressed_).substr(0, size);
}

}  // namespace noroshi
