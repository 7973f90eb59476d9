// Writing MessagePack to the end of a string. Integers and lengths take their shortest form.
//
//   MsgpackWriter writer(chunk.body);
//   const size_t map = writer.begin_map();         // number of pairs not known yet
//   writer.string("level"), writer.string("INFO");
//   writer.end_map(map, 1);
//
// The writer only refers to the string; several may take turns. Nothing fails: sizes are the
// caller's to bound (strings and binaries below 4 GiB, CHECKed).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace noroshi {

class MsgpackWriter {
 public:
  explicit MsgpackWriter(std::string& out) : out_(out) {}

  void nil();
  void boolean(bool value);
  void integer(int64_t value);
  void unsigned_integer(uint64_t value);
  void number(double value);  // always the 64-bit float
  void string(std::string_view text);
  void string_header(uint32_t bytes);  // the bytes themselves follow through raw()
  void binary(std::string_view bytes);
  void extension(int8_t type, std::string_view payload);
  void array_header(uint32_t elements);
  void map_header(uint32_t pairs);
  // EventTime (d7 00 sec nsec). Times it cannot hold (before 1970, from 2106 on) become whole
  // seconds, or a 64-bit float if they have a fraction.
  void time(Timestamp time);
  // A value that is MessagePack already.
  void raw(std::string_view msgpack) { out_.append(msgpack); }

  // A map or array whose count is known only at the end. The head is one byte as long as the count
  // is below 16; more moves the content by 2 or 4 bytes. Returns what end_…() wants.
  [[nodiscard]] size_t begin_map() { return begin(); }
  [[nodiscard]] size_t begin_array() { return begin(); }
  void end_map(size_t begin, uint32_t pairs);
  void end_array(size_t begin, uint32_t elements);

 private:
  size_t begin();
  void end(size_t begin, uint32_t count, bool is_map);

  std::string& out_;
};

}  // namespace noroshi
