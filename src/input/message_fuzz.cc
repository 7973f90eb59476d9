// Framers and readers of the text inputs: whatever pieces the bytes come in, the same messages come
// out, and what a reader appends is a well-formed record. First byte: which framer; second: the
// size of the pieces.
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "input/framed_messages.h"
#include "input/json_messages.h"
#include "input/line_messages.h"
#include "record/msgpack_reader.h"

namespace noroshi {
namespace {

constexpr size_t kMessageMax = 64;

std::unique_ptr<Framer> framer(uint8_t kind) {
  static const std::string separators[] = {"\n", "||"};
  if (kind % 3 == 0) return std::make_unique<JsonFramer>(kMessageMax);
  return std::make_unique<SeparatorFramer>(separators[kind % 2], kMessageMax);
}

std::vector<std::string> messages(uint8_t kind, std::string_view text, size_t piece) {
  const auto out = framed_messages(*framer(kind), text, piece);
  for (const std::string& message : out)
    CHECK(message.size() <= kMessageMax, "longer than the limit");
  return out;
}

}  // namespace
}  // namespace noroshi

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto whole = messages(data[0], text, text.size() + 1);
  const bool json = data[0] % 3 == 0;
  // A document longer than the limit that is broken as well is resynchronised at what is still
  // there: only documents within the limit must be the same.
  if (!json || text.size() <= kMessageMax) {
    CHECK(messages(data[0], text, 1 + data[1]) == whole, "pieces make a difference");
  }
  static JsonReader json_reader("source", system_clock());
  static TextReader text_reader(nullptr, "source", system_clock());
  MessageReader& reader = json ? static_cast<MessageReader&>(json_reader) : text_reader;
  Chunk chunk;
  for (const std::string& message : whole) {
    const size_t records = chunk.records.size();
    const bool appended = reader.append(message, "tcp://127.0.0.1:1", chunk);
    CHECK(chunk.records.size() == records + (appended ? 1 : 0), "a record too many or too few");
  }
  for (const RecordEntry& entry : chunk.records) {
    CHECK(validate_msgpack(chunk.view().record(entry)).has_value(), "a broken record");
  }
  return 0;
}
