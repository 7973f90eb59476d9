// Writing Protocol Buffers (https://protobuf.dev/programming-guides/encoding/) to the end of a
// string: what OTLP and the KPL's aggregates need of it.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace noroshi {

class ProtobufWriter {
 public:
  explicit ProtobufWriter(std::string& out) : out_(out) {}

  void varint_field(uint32_t field, uint64_t value) {
    varint(field << 3);
    varint(value);
  }
  void fixed64_field(uint32_t field, uint64_t value) {
    varint(field << 3 | 1);
    for (int i = 0; i < 8; ++i) out_ += static_cast<char>(value >> (8 * i) & 0xff);
  }
  void double_field(uint32_t field, double value) {
    fixed64_field(field, std::bit_cast<uint64_t>(value));
  }
  void fixed32_field(uint32_t field, uint32_t value) {
    varint(field << 3 | 5);
    for (int i = 0; i < 4; ++i) out_ += static_cast<char>(value >> (8 * i) & 0xff);
  }
  // Strings, bytes, and messages that are encoded already.
  void bytes_field(uint32_t field, std::string_view bytes) {
    varint(field << 3 | 2);
    varint(bytes.size());
    out_ += bytes;
  }
  // A message whose content follows; end_message() takes what this returns. Content of 128 bytes
  // and more is moved by the size of its length.
  [[nodiscard]] size_t begin_message(uint32_t field) {
    varint(field << 3 | 2);
    out_ += '\0';
    return out_.size();
  }
  void end_message(size_t begin) {
    uint64_t size = out_.size() - begin;
    std::string head;
    for (; size >= 0x80; size >>= 7) head += static_cast<char>(size | 0x80);
    head += static_cast<char>(size);
    out_.replace(begin - 1, 1, head);
  }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }

  std::string& out_;
};

}  // namespace noroshi
