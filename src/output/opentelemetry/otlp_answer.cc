#include "output/opentelemetry/otlp_answer.h"

#include <optional>

namespace noroshi {
namespace {

constexpr size_t kMessageBytesMax = 200;

std::optional<uint64_t> read_varint(std::string_view& in) {
  uint64_t value = 0;
  for (size_t i = 0; i < in.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(in[i]);
    value |= uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) {
      in.remove_prefix(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

struct Field {
  uint64_t number = 0;
  uint64_t value = 0;           // varints
  std::string_view bytes = {};  // length-delimited
};

// False at the end; an error leaves `ok` false.
bool read_field(std::string_view& in, Field& field, bool& ok) {
  if (in.empty()) return false;
  ok = false;
  field = {};
  const auto tag = read_varint(in);
  if (!tag) return false;
  field.number = *tag >> 3;
  size_t skip = 0;
  switch (*tag & 7) {
    case 0: {
      const auto value = read_varint(in);
      if (!value) return false;
      field.value = *value;
      break;
    }
    case 1:
      skip = 8;
      break;
    case 2: {
      const auto size = read_varint(in);
      if (!size || *size > in.size()) return false;
      field.bytes = in.substr(0, *size);
      skip = *size;
      break;
    }
    case 5:
      skip = 4;
      break;
    default:
      return false;
  }
  if (field.number == 0 || skip > in.size()) return false;
  in.remove_prefix(skip);
  ok = true;
  return true;
}

}  // namespace

Result<OtlpAnswer> parse_otlp_answer(std::string_view body) {
  OtlpAnswer answer;
  bool ok = true;
  Field field;
  while (read_field(body, field, ok)) {
    if (field.number != 1) continue;  // partial_success
    std::string_view partial = field.bytes;
    Field inner;
    while (read_field(partial, inner, ok)) {
      if (inner.number == 1) answer.rejected = inner.value;
      if (inner.number == 2) answer.message = inner.bytes.substr(0, kMessageBytesMax);
    }
    if (!ok) break;
  }
  if (!ok) return fail(ErrorCode::Corrupt, "the answer is no ExportLogsServiceResponse");
  return answer;
}

}  // namespace noroshi
