#include "output/request/replace_dots.h"

#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

void append_replaced(std::string& out, MsgpackReader& reader, std::string_view replacement) {
  const size_t begin = reader.position();
  const std::string_view all = reader.remaining();
  const auto token = reader.next();
  if (!token) return;
  MsgpackWriter writer(out);
  if (token->type == MsgpackType::Map) {
    writer.map_header(token->count);
    for (uint32_t i = 0; i < token->count; ++i) {
      const auto key = reader.skip();
      if (!key) return;
      MsgpackReader key_reader(*key);
      if (const auto text = key_reader.read_string()) {
        std::string changed;
        for (const char c : *text) {
          if (c == '.') {
            changed += replacement;
          } else {
            changed += c;
          }
        }
        writer.string(changed);
      } else {
        writer.raw(*key);
      }
      append_replaced(out, reader, replacement);
    }
  } else if (token->type == MsgpackType::Array) {
    writer.array_header(token->count);
    for (uint32_t i = 0; i < token->count; ++i) append_replaced(out, reader, replacement);
  } else {
    writer.raw(all.substr(0, reader.position() - begin));
  }
}

}  // namespace

// Depth is bounded: the value was validated (kMsgpackDepthMax).
void append_with_dots_replaced(std::string& out, std::string_view value,
                               std::string_view replacement) {
  MsgpackReader reader(value);
  append_replaced(out, reader, replacement);
}

}  // namespace noroshi
