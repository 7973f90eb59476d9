#include "record/msgpack_text.h"

#include <fmt/format.h>

#include <iterator>

#include "record/msgpack_reader.h"

namespace noroshi {
namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

void write_printable(std::string& out, std::string_view bytes) {
  for (const unsigned char c : bytes) {
    if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
      out += static_cast<char>(c);
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", c);
    }
  }
}

// `reader` stands on a value that was validated: depth and lengths are checked.
void write_value(std::string& out, MsgpackReader& reader) {
  const auto token = reader.next();
  if (!token) return;
  switch (token->type) {
    case MsgpackType::Nil:
      out += "nil";
      break;
    case MsgpackType::Bool:
      out += token->boolean ? "true" : "false";
      break;
    case MsgpackType::UnsignedInteger:
      fmt::format_to(std::back_inserter(out), "{}", token->unsigned_integer);
      break;
    case MsgpackType::NegativeInteger:
      fmt::format_to(std::back_inserter(out), "{}", token->negative_integer);
      break;
    case MsgpackType::Float:
      fmt::format_to(std::back_inserter(out), "{:.6f}", token->number);
      break;
    case MsgpackType::String:
      out.append("\"").append(token->bytes).append("\"");
      break;
    case MsgpackType::Binary:
      out += '"';
      write_printable(out, token->bytes);
      out += '"';
      break;
    case MsgpackType::Extension:
      fmt::format_to(std::back_inserter(out), "(ext: {})\"", token->extension_type);
      write_printable(out, token->bytes);
      out += '"';
      break;
    case MsgpackType::Array:
      out += '[';
      for (uint32_t i = 0; i < token->count; ++i) {
        if (i > 0) out += ", ";
        write_value(out, reader);
      }
      out += ']';
      break;
    case MsgpackType::Map:
      out += '{';
      for (uint32_t i = 0; i < token->count; ++i) {
        if (i > 0) out += ", ";
        write_value(out, reader);
        out += "=>";
        write_value(out, reader);
      }
      out += '}';
      break;
  }
}

}  // namespace

void write_msgpack_text(std::string& out, std::string_view value) {
  MsgpackReader reader(value);
  write_value(out, reader);
}

void write_seconds(std::string& out, Timestamp time) {
  const int64_t total = time.time_since_epoch().count();
  int64_t seconds = total / kNanosecondsPerSecond;
  int64_t fraction = total % kNanosecondsPerSecond;
  if (fraction < 0) --seconds, fraction += kNanosecondsPerSecond;
  fmt::format_to(std::back_inserter(out), "{}.{:09}", seconds, fraction);
}

}  // namespace noroshi
