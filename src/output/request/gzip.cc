#include "output/request/gzip.h"

#include <isa-l/igzip_lib.h>

#include "base/check.h"

namespace noroshi {

std::optional<std::string_view> Gzip::compress(std::string_view data) {
  // The next size up would not be a gain; so there is no other buffer to find.
  compressed_.resize(data.size());
  return deflate(data, false);
}

std::string_view Gzip::compress_always(std::string_view data, bool zlib) {
  // Stored blocks of 65,535 bytes cost five each; head and tail 18.
  compressed_.resize(data.size() + data.size() / 65'535 * 5 + 128);
  const auto compressed = deflate(data, zlib);
  CHECK(compressed.has_value(), "the buffer holds the largest possible result");
  return *compressed;
}

std::optional<std::string_view> Gzip::deflate(std::string_view data, bool zlib) {
  if (!level_buffer_) level_buffer_ = std::make_unique<uint8_t[]>(ISAL_DEF_LVL1_DEFAULT);

  isal_zstream stream;
  isal_deflate_stateless_init(&stream);
  stream.gzip_flag = zlib ? IGZIP_ZLIB : IGZIP_GZIP;
  stream.level = 1;
  stream.level_buf = level_buffer_.get();
  stream.level_buf_size = ISAL_DEF_LVL1_DEFAULT;
  stream.end_of_stream = 1;
  stream.flush = NO_FLUSH;
  // ISA-L's interface has no const; it does not write to its input.
  stream.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uint32_t>(data.size());
  stream.next_out = reinterpret_cast<uint8_t*>(compressed_.data());
  stream.avail_out = static_cast<uint32_t>(compressed_.size());
  if (isal_deflate_stateless(&stream) != COMP_OK) return std::nullopt;
  return std::string_view(compressed_).substr(0, stream.total_out);
}

}  // namespace noroshi
