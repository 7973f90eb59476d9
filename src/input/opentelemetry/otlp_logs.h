// OTLP log requests (opentelemetry-proto 1.x, ExportLogsServiceRequest) as records, from protobuf
// and from its JSON form. No I/O; on the HTTP thread.
//
//   record    the body if it is a map, else {logs_body_key or "log": body}
//   metadata  {"otlp": {timestamp, severity_number, severity_text, attributes, trace_id, …},
//              "resource": {attributes, …}, "scope": {name, version, attributes, …}}
//   time      time_unix_nano, else observed_time_unix_nano, else now
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "input/http_source.h"
#include "record/json_parser.h"
#include "record/record_accessor.h"

namespace noroshi::otlp {

struct LogsOptions {
  std::string body_key = {};  // empty: a map is the record, anything else {"log": body}
  std::string metadata_key = "otlp";
  std::optional<RecordAccessor> tag_key = {};  // the tag is this field of the record, if it is text
};

// Attribute values inside each other at most.
inline constexpr uint32_t kValueDepthMax = 64;
// A request in JSON is parsed as a whole, which takes some five times its size. (Protobuf is not.)
inline constexpr size_t kJsonRequestBytesMax = 4 << 20;

class LogsReader {
 public:
  LogsReader(LogsOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  // Corrupt: the body is no such request; `chunks` is to be thrown away.
  [[nodiscard]] Status read_protobuf(std::string_view body, std::string_view tag,
                                     RequestChunks& chunks);
  [[nodiscard]] Status read_json(std::string_view body, std::string_view tag,
                                 RequestChunks& chunks);

 private:
  const LogsOptions options_;
  const Clock& clock_;
  JsonToMsgpack json_;
};

// One log record, whatever form it came in; what both decoders fill.
struct LogRecord {
  uint64_t time = 0, observed_time = 0;  // Unix, ns; 0: not known
  uint64_t severity_number = 0, dropped_attributes = 0, flags = 0;
  std::string severity_text = {}, event_name = {};
  std::string trace_id = {}, span_id = {};  // bytes
  std::string attributes = {};              // a MessagePack map; empty: none
  std::string body = {};                    // MessagePack; empty: none
};

// What records of one scope have in common: the pairs "resource" and "scope" of their metadata.
struct Group {
  std::string pairs = {};  // MessagePack, kGroupPairs pairs
};
inline constexpr uint32_t kGroupPairs = 2;

struct ResourcePart {  // of a resource or a scope
  std::string name = {}, version = {}, schema_url = {}, attributes = {};
  uint64_t dropped_attributes = 0;
};

[[nodiscard]] Group make_group(const ResourcePart& resource, const ResourcePart& scope);
// False: the request has become too large (its resource's attributes are repeated in each record).
[[nodiscard]] bool append_log_record(const LogRecord& record, const Group& group,
                                     const LogsOptions& options, std::string_view tag,
                                     Timestamp now, RequestChunks& chunks);

[[nodiscard]] std::unexpected<Error> too_large();

// The decoders behind LogsReader.
[[nodiscard]] Status decode_protobuf_logs(std::string_view body, const LogsOptions& options,
                                          std::string_view tag, Timestamp now,
                                          RequestChunks& chunks);
// `request`: the JSON as MessagePack.
[[nodiscard]] Status decode_json_logs(std::string_view request, const LogsOptions& options,
                                      std::string_view tag, Timestamp now, RequestChunks& chunks);

}  // namespace noroshi::otlp
