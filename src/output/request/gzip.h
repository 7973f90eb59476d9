// Gzip: one buffer in, one gzip member out, with ISA-L's fast level. Reuses its memory. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace noroshi {

class Gzip {
 public:
  // The compressed bytes, valid until the next call; nullopt if they would not be fewer.
  [[nodiscard]] std::optional<std::string_view> compress(std::string_view data);
  // The same whatever their number; as a zlib stream (RFC 1950) if `zlib`.
  [[nodiscard]] std::string_view compress_always(std::string_view data, bool zlib = false);

 private:
  [[nodiscard]] std::optional<std::string_view> deflate(std::string_view data, bool zlib);

  std::string compressed_;
  std::unique_ptr<uint8_t[]> level_buffer_;
};

}  // namespace noroshi
