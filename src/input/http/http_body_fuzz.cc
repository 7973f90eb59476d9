// Request bodies of the http input. First byte: a form (odd) or JSON (even).
#include <cstdint>

#include "base/check.h"
#include "input/http/http_body.h"
#include "record/msgpack_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  if (size == 0) return 0;
  static http_input::BodyReader reader(
      {.tag_key = *RecordAccessor::parse("$t"), .remote_address_key = "from"}, system_clock());
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  RequestChunks chunks;
  const bool read = data[0] % 2 == 1 ? reader.read_form(body, "t", "127.0.0.1", chunks)
                                     : reader.read_json(body, "t", "127.0.0.1", chunks);
  if (!read) return 0;
  for (const Chunk& chunk : chunks.take()) {
    for (const RecordEntry& entry : chunk.records)
      CHECK(validate_msgpack(chunk.view().record(entry)).has_value(), "a broken record");
  }
  return 0;
}
