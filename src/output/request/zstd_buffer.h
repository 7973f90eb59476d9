// ZstdBuffer: one buffer in, one Zstandard frame out. Reuses its memory. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace noroshi {

class ZstdBuffer {
 public:
  ZstdBuffer();
  ZstdBuffer(ZstdBuffer&& other) noexcept;
  ~ZstdBuffer();

  // The compressed bytes, however many; valid until the next call.
  [[nodiscard]] std::string_view compress(std::string_view data);

 private:
  struct Context;
  std::string compressed_;
  std::unique_ptr<Context> context_;  // made at the first call
};

}  // namespace noroshi
