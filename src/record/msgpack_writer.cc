#include "record/msgpack_writer.h"

#include <bit>
#include <limits>

#include "base/check.h"
#include "record/msgpack_encode.h"

namespace noroshi {
namespace {

namespace format = msgpack_format;

uint32_t checked_size(std::string_view bytes) {
  CHECK(bytes.size() <= std::numeric_limits<uint32_t>::max(), "MessagePack value over 4 GiB");
  return static_cast<uint32_t>(bytes.size());
}

// Appends what `encode` (of msgpack_encode.h) stores.
template <typename Encode>
void append(std::string& out, Encode&& encode) {
  char bytes[msgpack_encode::kHeadBytesMax];
  out.append(bytes, static_cast<size_t>(encode(bytes) - bytes));
}

void put_byte(std::string& out, unsigned byte) { out.push_back(static_cast<char>(byte)); }

// The three widths of a length: `first` is the byte for 8 bits, the next two are those for 16
// and 32.
void put_length(std::string& out, uint8_t first, uint32_t size) {
  append(out, [&](char* to) {
    if (size <= UINT8_MAX) return msgpack_encode::put(to, first, static_cast<uint8_t>(size));
    const auto second = static_cast<uint8_t>(first + 1), third = static_cast<uint8_t>(first + 2);
    if (size <= UINT16_MAX) return msgpack_encode::put(to, second, static_cast<uint16_t>(size));
    return msgpack_encode::put(to, third, size);
  });
}

}  // namespace

void MsgpackWriter::nil() { put_byte(out_, format::kNil); }

void MsgpackWriter::boolean(bool value) { put_byte(out_, value ? format::kTrue : format::kFalse); }

void MsgpackWriter::unsigned_integer(uint64_t value) {
  append(out_, [&](char* to) { return msgpack_encode::put_unsigned(to, value); });
}

void MsgpackWriter::integer(int64_t value) {
  append(out_, [&](char* to) { return msgpack_encode::put_integer(to, value); });
}

void MsgpackWriter::number(double value) {
  append(out_, [&](char* to) { return msgpack_encode::put_float(to, value); });
}

void MsgpackWriter::string_header(uint32_t bytes) {
  append(out_, [&](char* to) { return msgpack_encode::put_string_head(to, bytes); });
}

void MsgpackWriter::string(std::string_view text) {
  string_header(checked_size(text));
  out_.append(text);
}

void MsgpackWriter::binary(std::string_view bytes) {
  put_length(out_, format::kBinary8, checked_size(bytes));
  out_.append(bytes);
}

void MsgpackWriter::extension(int8_t type, std::string_view payload) {
  const uint32_t size = checked_size(payload);
  if (size <= 16 && std::has_single_bit(size)) {
    put_byte(out_, format::kFixExtension1 + static_cast<unsigned>(std::countr_zero(size)));
  } else {
    put_length(out_, format::kExtension8, size);
  }
  put_byte(out_, static_cast<uint8_t>(type));
  out_.append(payload);
}

void MsgpackWriter::array_header(uint32_t elements) {
  append(out_, [&](char* to) { return msgpack_encode::put_container_head(to, false, elements); });
}

void MsgpackWriter::map_header(uint32_t pairs) {
  append(out_, [&](char* to) { return msgpack_encode::put_container_head(to, true, pairs); });
}

void MsgpackWriter::time(Timestamp time) {
  const auto seconds = std::chrono::floor<Seconds>(time);
  const int64_t whole = seconds.time_since_epoch().count();
  const int64_t nanoseconds = (time - seconds).count();
  if (whole >= 0 && whole <= int64_t{UINT32_MAX}) {
    char payload[format::kEventTimeBytes];
    format::store_big_endian(payload, static_cast<uint32_t>(whole));
    format::store_big_endian(payload + 4, static_cast<uint32_t>(nanoseconds));
    extension(format::kEventTime, {payload, sizeof payload});
  } else if (nanoseconds == 0) {
    integer(whole);
  } else {
    number(static_cast<double>(whole) + static_cast<double>(nanoseconds) / 1e9);
  }
}

size_t MsgpackWriter::begin() {
  put_byte(out_, 0);
  return out_.size() - 1;
}

void MsgpackWriter::end(size_t begin, uint32_t count, bool is_map) {
  char head[msgpack_encode::kHeadBytesMax];
  const char* stop = msgpack_encode::put_container_head(head, is_map, count);
  out_.replace(begin, 1, head, static_cast<size_t>(stop - head));
}

void MsgpackWriter::end_map(size_t begin, uint32_t pairs) { end(begin, pairs, true); }

void MsgpackWriter::end_array(size_t begin, uint32_t elements) { end(begin, elements, false); }

}  // namespace noroshi
