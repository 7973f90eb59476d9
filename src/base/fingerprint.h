// Fingerprint: a 64-bit hash of texts in order, equal in every process and on every machine
// (FNV-1a), for names that are stored. Not for hostile input that must not collide.
#pragma once

#include <cstdint>
#include <string_view>

namespace noroshi {

class Fingerprint {
 public:
  // Ends each text with a separator, so that ("ab", "c") differs from ("a", "bc").
  void add(std::string_view text) {
    for (const char c : text) mix(static_cast<uint8_t>(c));
    mix(0xff);
  }
  [[nodiscard]] uint64_t value() const { return value_; }

 private:
  void mix(uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001b3ULL; }
  uint64_t value_ = 0xcbf29ce484222325ULL;
};

}  // namespace noroshi
