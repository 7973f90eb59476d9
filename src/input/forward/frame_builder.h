// For tests, the fuzz targets and the benchmark: frames of the Forward protocol, byte by byte.
#pragma once

#include <isa-l/igzip_lib.h>

#include <string>
#include <string_view>
#include <vector>

#include "record/msgpack_writer.h"

namespace noroshi::forward {

// One MessagePack value.
inline std::string text(std::string_view value) {
  std::string out;
  MsgpackWriter(out).string(value);
  return out;
}
inline std::string binary(std::string_view value) {
  std::string out;
  MsgpackWriter(out).binary(value);
  return out;
}
inline std::string integer(int64_t value) {
  std::string out;
  MsgpackWriter(out).integer(value);
  return out;
}
inline std::string number(double value) {
  std::string out;
  MsgpackWriter(out).number(value);
  return out;
}
inline std::string array(const std::vector<std::string>& values) {
  std::string out;
  MsgpackWriter(out).array_header(static_cast<uint32_t>(values.size()));
  for (const std::string& value : values) out += value;
  return out;
}
// Keys and values in turn.
inline std::string map(const std::vector<std::string>& values) {
  std::string out;
  MsgpackWriter(out).map_header(static_cast<uint32_t>(values.size() / 2));
  for (const std::string& value : values) out += value;
  return out;
}
inline std::string event_time(uint32_t seconds, uint32_t nanoseconds, bool as_ext8 = false) {
  std::string out = as_ext8 ? std::string("\xc7\x08\x00", 3) : std::string("\xd7\x00", 2);
  for (const uint32_t word : {seconds, nanoseconds}) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(word >> shift);
  }
  return out;
}
inline std::string log_record(std::string_view line) { return map({text("log"), text(line)}); }

inline std::string message(std::string_view tag, const std::string& time,
                           const std::string& record) {
  return array({text(tag), time, record});
}
inline std::string packed(std::string_view tag, std::string_view entries,
                          const std::string& option) {
  return array({text(tag), binary(entries), option});
}
inline std::string ack_option(std::string_view id) { return map({text("chunk"), text(id)}); }

// One gzip member.
inline std::string gzip(std::string_view plain) {
  std::string out(plain.size() + plain.size() / 8 + 512, '\0');
  isal_zstream stream;
  isal_deflate_init(&stream);
  stream.gzip_flag = IGZIP_GZIP;
  stream.end_of_stream = 1;
  stream.flush = NO_FLUSH;
  stream.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uint32_t>(plain.size());
  stream.next_out = reinterpret_cast<uint8_t*>(out.data());
  stream.avail_out = static_cast<uint32_t>(out.size());
  isal_deflate(&stream);
  out.resize(stream.total_out);
  return out;
}

}  // namespace noroshi::forward
