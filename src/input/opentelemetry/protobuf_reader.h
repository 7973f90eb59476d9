// Reading protobuf's wire format (protobuf.dev/programming-guides/encoding) in place: the few types
// that OTLP has. Every length is checked against the bytes that are there; unknown fields are
// stepped over.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/little_endian.h"

namespace noroshi::otlp {

struct ProtobufField {
  enum class Wire : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };
  uint32_t number = 0;
  Wire wire = Wire::Varint;
  uint64_t integer = 0;         // Varint, Fixed64, Fixed32
  std::string_view bytes = {};  // Bytes; points into the input

  // A field of another wire type than the schema's counts as unknown.
  [[nodiscard]] bool is(uint32_t field, Wire type) const { return number == field && wire == type; }
  [[nodiscard]] bool is_bytes(uint32_t field) const { return is(field, Wire::Bytes); }
  [[nodiscard]] double as_double() const { return std::bit_cast<double>(integer); }
};

class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view bytes) : rest_(bytes) {}

  // False at the end, and where the bytes are no protobuf: then ok() is false.
  [[nodiscard]] bool next(ProtobufField& field) {
    if (rest_.empty() || !ok_) return false;
    uint64_t key = 0;
    if (!varint(key) || key >> 3 == 0 || key >> 3 > kFieldNumberMax) return ok_ = false;
    field.number = static_cast<uint32_t>(key >> 3);
    field.wire = static_cast<ProtobufField::Wire>(key & 7);
    field.bytes = {};
    switch (field.wire) {
      case ProtobufField::Wire::Varint:
        return ok_ = varint(field.integer);
      case ProtobufField::Wire::Fixed64:
        return ok_ = fixed<uint64_t>(field.integer);
      case ProtobufField::Wire::Fixed32:
        return ok_ = fixed<uint32_t>(field.integer);
      case ProtobufField::Wire::Bytes: {
        uint64_t size = 0;
        if (!varint(size) || size > rest_.size()) return ok_ = false;
        field.bytes = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return true;
      }
    }
    return ok_ = false;  // groups: no OTLP message has one
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  static constexpr uint64_t kFieldNumberMax = (1u << 29) - 1;
  static constexpr unsigned kVarintBytesMax = 10;

  bool varint(uint64_t& value) {
    value = 0;
    for (unsigned at = 0; at < kVarintBytesMax && at < rest_.size(); ++at) {
      const auto byte = static_cast<unsigned char>(rest_[at]);
      value |= uint64_t{byte & 0x7fu} << (7 * at);
      if ((byte & 0x80) == 0) {
        rest_.remove_prefix(at + 1);
        return true;
      }
    }
    return false;
  }
  template <typename T>
  bool fixed(uint64_t& value) {
    if (rest_.size() < sizeof(T)) return false;
    value = load_le<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return true;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace noroshi::otlp
