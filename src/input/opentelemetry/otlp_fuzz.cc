// Request bodies as OTLP logs. First byte: JSON (odd) or protobuf (even).
#include <cstdint>

#include "base/check.h"
#include "input/opentelemetry/otlp_logs.h"
#include "record/msgpack_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  if (size == 0) return 0;
  static otlp::LogsReader reader({}, system_clock());
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  RequestChunks chunks;
  const Status read = data[0] % 2 == 1 ? reader.read_json(body, "t", chunks)
                                       : reader.read_protobuf(body, "t", chunks);
  if (!read) return 0;
  for (const Chunk& chunk : chunks.take()) {
    for (const RecordEntry& entry : chunk.records) {
      CHECK(validate_msgpack(chunk.view().record(entry)).has_value(), "a broken record");
      CHECK(validate_msgpack(chunk.view().metadata(entry)).has_value(), "broken metadata");
    }
  }
  return 0;
}
