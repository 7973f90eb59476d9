// OtlpEncoder: a record as an OTLP LogRecord in protobuf.
// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto
//
//   body        the first of `body_keys` the record has, else the whole record
//   attributes  the record's other keys (if configured), and the metadata's
//   severity    the metadata's; else the configured keys'; else what the record's level says
//   trace, span the metadata's, else the configured keys' (16 and 8 bytes, or hex)
//
// Metadata is what input opentelemetry makes: a map `otlp` with timestamp, observed_timestamp,
// severity_number, severity_text, attributes, trace_id, span_id, trace_flags, event_name; and
// beside it `resource` and `scope` with name, version, attributes, schema_url.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/chunk.h"
#include "record/record_accessor.h"

namespace noroshi {

struct OtlpOptions {
  std::vector<RecordAccessor> body_keys;
  bool body_key_attributes = true;
  std::string metadata_key = "otlp";
  std::optional<RecordAccessor> span_id, trace_id, severity_text, severity_number;
};

class OtlpEncoder {
 public:
  explicit OtlpEncoder(OtlpOptions options) : options_(std::move(options)) {}

  // Appends the fields of a LogRecord. False, and nothing appended, if the record is no well-formed
  // map.
  [[nodiscard]] bool append_record(std::string& out, const ChunkView& chunk,
                                   const RecordEntry& entry) const;
  // What records of one resource and scope share, as fields of their messages.
  struct Origin {
    std::string resource = {};         // of Resource
    std::string resource_schema = {};  // of ResourceLogs
    std::string scope = {};            // of ScopeLogs, without the records
  };
  [[nodiscard]] static Origin origin(const ChunkView& chunk, const RecordEntry& entry);

 private:
  OtlpOptions options_;
};

// A KeyValue of field `field` with a string.
void append_otlp_attribute(std::string& out, uint32_t field, std::string_view key,
                           std::string_view text);

}  // namespace noroshi
