// Walking and resizing the top level of one MessagePack map in place: what filters and parsers do
// to records.
//
//   MapPairs pairs(record);
//   for (MapPair pair; pairs.next(pair);) if (pair.name == "level") …
//   if (!pairs.ok()) … // not a well-formed map; inputs have checked that already
//
// Nothing is copied or allocated.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "record/msgpack_reader.h"

namespace noroshi {

namespace map_pairs_internal {
// By the first byte: the size of a value whose size that byte says, and where its text begins.
struct Form {
  uint8_t size = 0;     // 0: see MapPairs::behind()
  uint8_t text_at = 0;  // 0: no text
};
inline constexpr std::array<Form, 256> kForms = [] {
  std::array<Form, 256> forms{};
  for (size_t i = 0; i < 256; ++i) {
    if (i < 0x80 || i >= 0xe0 || i == 0xc0 || i == 0xc2 || i == 0xc3)
      forms[i] = {1, 0};
    else if (i >= 0xa0 && i < 0xc0)
      forms[i] = {static_cast<uint8_t>(1 + (i & 0x1f)), 1};
  }
  // float 32, 64; uint 8 … 64; int 8 … 64
  constexpr uint8_t kContents[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8};
  for (size_t i = 0; i < 10; ++i) forms[0xca + i] = {static_cast<uint8_t>(1 + kContents[i]), 0};
  return forms;
}();
}  // namespace map_pairs_internal

struct MapPair {
  std::string_view name =
      {};  // the key's text; data() is null if the key is neither string nor binary
  std::string_view key = {};    // MessagePack
  std::string_view value = {};  // MessagePack
  std::string_view text =
      {};  // the value's text; data() is null if it is neither string nor binary
  // Both, as they lie in the map.
  [[nodiscard]] std::string_view bytes() const {
    return {key.data(), static_cast<size_t>(value.data() + value.size() - key.data())};
  }
};

class MapPairs {
 public:
  explicit MapPairs(std::string_view map) {
    end_ = map.data() + map.size();
    if (!map.empty() && (static_cast<unsigned char>(map[0]) & 0xf0) == 0x80) [[likely]] {
      count_ = left_ = static_cast<unsigned char>(map[0]) & 0x0f;
      at_ = map.data() + 1;
      return;
    }
    MsgpackReader reader(map);
    const auto pairs = reader.read_map();
    if (pairs)
      count_ = left_ = *pairs;
    else
      ok_ = false;
    at_ = reader.remaining().data();
  }

  // Pairs the map's head promises.
  [[nodiscard]] uint32_t count() const { return count_; }
  [[nodiscard]] bool ok() const { return ok_; }

  // False at the end, and at the first pair that is not well-formed. Cost: a few nanoseconds for
  // the usual pair; a value that is an array or map is stepped over whole.
  bool next(MapPair& pair) {
    if (left_ == 0) return false;
    --left_;
    const char* const key = at_;
    const char* text = nullptr;
    const char* const value = behind(key, text);
    if (value == nullptr) return stop();
    pair.key = {key, static_cast<size_t>(value - key)};
    pair.name = text == nullptr ? std::string_view()
                                : std::string_view(text, static_cast<size_t>(value - text));
    at_ = behind(value, text);
    if (at_ == nullptr) return stop();
    pair.value = {value, static_cast<size_t>(at_ - value)};
    pair.text = text == nullptr ? std::string_view()
                                : std::string_view(text, static_cast<size_t>(at_ - text));
    return true;
  }

  // The bytes of the pairs not yet returned.
  [[nodiscard]] std::string_view rest() const { return {at_, static_cast<size_t>(end_ - at_)}; }

 private:
  bool stop() {
    at_ = end_;
    ok_ = false;
    left_ = 0;
    return false;
  }

  // Where the value at `at` ends, or null; `text` is where its bytes begin if it is a string or
  // binary.
  const char* behind(const char* at, const char*& text) const {
    const auto room = static_cast<size_t>(end_ - at);
    if (room == 0) return nullptr;
    const auto first = static_cast<unsigned char>(*at);
    const map_pairs_internal::Form form = map_pairs_internal::kForms[first];
    if (form.size != 0) [[likely]] {
      text = form.text_at != 0 ? at + 1 : nullptr;
      return form.size <= room ? at + form.size : nullptr;
    }
    if (first == 0xd9 && room >= 2) {  // str 8
      const size_t size = 2 + size_t{static_cast<unsigned char>(at[1])};
      text = at + 2;
      return size <= room ? at + size : nullptr;
    }
    if (first == 0xda && room >= 3) {  // str 16: a log line
      const size_t size =
          3 + (size_t{static_cast<unsigned char>(at[1])} << 8 | static_cast<unsigned char>(at[2]));
      text = at + 3;
      return size <= room ? at + size : nullptr;
    }
    return behind_rare(at, text);
  }
  const char* behind_rare(const char* at, const char*& text) const;

  const char* at_ = nullptr;
  const char* end_ = nullptr;
  uint32_t count_ = 0, left_ = 0;
  bool ok_ = true;
};

// Bytes of the head of a map, from its first byte.
[[nodiscard]] inline size_t map_head_size(std::string_view map) {
  const auto first = static_cast<unsigned char>(map.front());
  return first == 0xde ? 3 : first == 0xdf ? 5 : 1;
}

// The text of the string at map[at]; such places are JsonToMsgpack::key_positions().
[[nodiscard]] inline std::string_view text_at(std::string_view map, size_t at) {
  const auto first = static_cast<unsigned char>(map[at]);
  if (first >= 0xa0 && first < 0xc0) return map.substr(at + 1, first & 0x1f);
  const auto token = MsgpackReader(map.substr(at)).next();
  return token ? token->bytes : std::string_view();
}

// Whether one of the keys at `positions` behind the map's head is `name`.
[[nodiscard]] inline bool has_key(std::string_view map, std::span<const uint32_t> positions,
                                  std::string_view name) {
  const size_t head = map_head_size(map);
  for (const uint32_t position : positions) {
    if (text_at(map, head + position) == name) return true;
  }
  return false;
}

// Gives the map that begins at out[begin] a head that promises `pairs`. Its pairs move if the
// head's size changes (at 16 and 65,536 pairs).
void set_map_pairs(std::string& out, size_t begin, uint32_t pairs);

}  // namespace noroshi
