#include "record/map_pairs.h"

namespace noroshi {

const char* MapPairs::behind_rare(const char* at, const char*& text) const {
  text = nullptr;
  MsgpackReader reader({at, static_cast<size_t>(end_ - at)});
  const auto bytes = reader.skip();
  if (!bytes) return nullptr;
  const auto token = MsgpackReader(*bytes).next();
  if (token && (token->type == MsgpackType::String || token->type == MsgpackType::Binary)) {
    text = token->bytes.data();
  }
  return at + bytes->size();
}

void set_map_pairs(std::string& out, size_t begin, uint32_t pairs) {
  if (pairs < 16 && (static_cast<unsigned char>(out[begin]) & 0xf0) == 0x80) {
    out[begin] = static_cast<char>(0x80 | pairs);
    return;
  }
  char head[5];
  size_t size = 1;
  if (pairs < 16) {
    head[0] = static_cast<char>(0x80 | pairs);
  } else if (pairs < 65536) {
    size = 3;
    head[0] = static_cast<char>(0xde);
    head[1] = static_cast<char>(pairs >> 8);
    head[2] = static_cast<char>(pairs);
  } else {
    size = 5;
    head[0] = static_cast<char>(0xdf);
    for (int i = 0; i < 4; ++i) head[1 + i] = static_cast<char>(pairs >> (24 - 8 * i));
  }
  out.replace(begin, map_head_size(std::string_view(out).substr(begin)), head, size);
}

}  // namespace noroshi
