// Walking and resizing the top level of one MessagePack map in place: what filters and parsers do to
// records.
//
//   MapPairs pairs(record);
//   for (MapPair pair; pairs.next(pair);) if (pair.name == "level") …
//   if (!pairs.ok()) … // not a well-formed map; inputs have checked that already
//
// Nothing is copied or allocated.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"

namespace noroshi {

struct MapPair {
  std::string_view name = {};   // the key's text; data() is null if the key is neither string nor binary
  std::string_view key = {};    // MessagePack
  std::string_view value = {};  // MessagePack
  // Both, as they lie in the map.
  [[nodiscard]] std::string_view bytes() const {
    return {key.data(), static_cast<size_t>(value.data() + value.size() - key.data())};
  }
};

class MapPairs {
 public:
  explicit MapPairs(std::string_view map) : reader_(map) {
    const auto pairs = reader_.read_map();
    if (pairs) count_ = left_ = *pairs;
    else ok_ = false;
  }

  // Pairs the map's head promises.
  [[nodiscard]] uint32_t count() const { return count_; }
  [[nodiscard]] bool ok() const { return ok_; }

  // False at the end, and at the first pair that is not well-formed.
  bool next(MapPair& pair) {
    if (left_ == 0) return false;
    --left_;
    const char* key_begin = reader_.remaining().data();
    const auto key = reader_.next();
    if (!key) return stop();
    if (key->type == MsgpackType::Array || key->type == MsgpackType::Map) {
      // A key with parts of its own: step back and over all of it.
      MsgpackReader whole({key_begin, reader_.remaining().data() + reader_.remaining().size()});
      const auto bytes = whole.skip();
      if (!bytes) return stop();
      pair.key = *bytes;
      pair.name = {};
      reader_ = whole;
    } else {
      pair.key = {key_begin, static_cast<size_t>(reader_.remaining().data() - key_begin)};
      const bool text = key->type == MsgpackType::String || key->type == MsgpackType::Binary;
      pair.name = text ? key->bytes : std::string_view();
    }
    const auto value = reader_.skip();
    if (!value) return stop();
    pair.value = *value;
    return true;
  }

  // The bytes of the pairs not yet returned.
  [[nodiscard]] std::string_view rest() const { return reader_.remaining(); }

 private:
  bool stop() {
    ok_ = false;
    left_ = 0;
    return false;
  }

  MsgpackReader reader_;
  uint32_t count_ = 0, left_ = 0;
  bool ok_ = true;
};

// Bytes of the head of a map, from its first byte.
[[nodiscard]] inline size_t map_head_size(std::string_view map) {
  const auto first = static_cast<unsigned char>(map.front());
  return first == 0xde ? 3 : first == 0xdf ? 5 : 1;
}

// Gives the map that begins at out[begin] a head that promises `pairs`. Its pairs move if the head's size
// changes (at 16 and 65,536 pairs).
inline void set_map_pairs(std::string& out, size_t begin, uint32_t pairs) {
  const size_t old_size = map_head_size(std::string_view(out).substr(begin));
  char head[5];
  size_t size = 1;
  if (pairs < 16) {
    head[0] = static_cast<char>(0x80 | pairs);
  } else if (pairs < 65536) {
    head[0] = static_cast<char>(0xde);
    head[1] = static_cast<char>(pairs >> 8), head[2] = static_cast<char>(pairs);
    size = 3;
  } else {
    head[0] = static_cast<char>(0xdf);
    for (int i = 0; i < 4; ++i) head[1 + i] = static_cast<char>(pairs >> (24 - 8 * i));
    size = 5;
  }
  if (size == old_size) out.replace(begin, size, head, size);
  else out.replace(begin, old_size, head, size);
}

}  // namespace noroshi
