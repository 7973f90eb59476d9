#include "input/forward/inflater.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include "base/check.h"

namespace noroshi::forward {
namespace {

constexpr int kZstdWindowLogMax = 23;  // 8 MiB, what a decoder must support by RFC 8878

std::string_view gzip_error(int code) {
  switch (code) {
    case ISAL_INVALID_WRAPPER:
      return "not a gzip member";
    case ISAL_UNSUPPORTED_METHOD:
      return "unknown compression method";
    case ISAL_INCORRECT_CHECKSUM:
      return "checksum does not match";
    case ISAL_NEED_DICT:
      return "needs a dictionary";
    default:
      return "broken deflate data";
  }
}

}  // namespace

struct Inflater::Gzip {
  inflate_state state;
};
struct Inflater::Zstd {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  ~Zstd() { ZSTD_freeDCtx(context); }
};

Inflater::Inflater() = default;
Inflater::~Inflater() = default;

void Inflater::begin(Compression compression, std::string_view compressed) {
  compression_ = compression;
  input_ = compressed;
  inside_ = false;
  zstd_.reset();  // its window may be large
  if (compression == Compression::Gzip && !gzip_) {
    gzip_ = std::make_unique<Gzip>();
    isal_inflate_init(&gzip_->state);
  }
  if (compression == Compression::Zstd) {
    zstd_ = std::make_unique<Zstd>();
    CHECK(zstd_->context != nullptr, "out of memory");
    ZSTD_DCtx_setParameter(zstd_->context, ZSTD_d_windowLogMax, kZstdWindowLogMax);
  }
}

Result<size_t> Inflater::read(std::span<char> out) {
  CHECK(compression_ != Compression::None && !out.empty(), "Inflater::begin() comes first");
  return compression_ == Compression::Gzip ? read_gzip(out) : read_zstd(out);
}

Result<size_t> Inflater::read_gzip(std::span<char> out) {
  inflate_state& state = gzip_->state;
  for (;;) {
    if (!inside_) {
      // gzip(1) ignores zeros after the last member; tapes and block devices pad with them.
      if (input_.find_first_not_of('\0') == std::string_view::npos) return 0;
      isal_inflate_reset(&state);
      state.crc_flag = ISAL_GZIP;
      state.avail_in = 0;
      inside_ = true;
    }
    state.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(input_.data()));
    state.avail_in = static_cast<uint32_t>(input_.size());
    state.next_out = reinterpret_cast<uint8_t*>(out.data());
    state.avail_out = static_cast<uint32_t>(out.size());
    const int code = isal_inflate(&state);
    const size_t produced = out.size() - state.avail_out;
    // At a member's end ISA-L gives back bytes it had read ahead, also in an earlier call: next_in
    // may lie before where this call began.
    const auto* const next = reinterpret_cast<const char*>(state.next_in);
    const bool moved = next != input_.data();
    input_ = {next, static_cast<size_t>(input_.data() + input_.size() - next)};
    if (code != ISAL_DECOMP_OK && code != ISAL_END_INPUT) {
      return fail(ErrorCode::Corrupt, "gzip: " + std::string(gzip_error(code)));
    }
    if (state.block_state == ISAL_BLOCK_FINISH) inside_ = false;
    if (produced != 0) return produced;
    if (inside_ && !moved) return fail(ErrorCode::Corrupt, "gzip: ends in the middle");
  }
}

Result<size_t> Inflater::read_zstd(std::span<char> out) {
  for (;;) {
    if (!inside_ && input_.empty()) return 0;
    ZSTD_inBuffer input{input_.data(), input_.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    const size_t code = ZSTD_decompressStream(zstd_->context, &output, &input);
    if (ZSTD_isError(code))
      return fail(ErrorCode::Corrupt, std::string("zstd: ") + ZSTD_getErrorName(code));
    input_.remove_prefix(input.pos);
    inside_ = code != 0;
    if (output.pos != 0) return output.pos;
    if (inside_ && input.pos == 0) return fail(ErrorCode::Corrupt, "zstd: ends in the middle");
  }
}

}  // namespace noroshi::forward
