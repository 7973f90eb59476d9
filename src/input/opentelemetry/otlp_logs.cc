#include "input/opentelemetry/otlp_logs.h"

#include <fmt/format.h>

#include <limits>

#include "input/message.h"
#include "record/ascii.h"
#include "record/map_pairs.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"

namespace noroshi::otlp {
namespace {

constexpr uint64_t kSeverityNumberMax = 24;

void put_part(MsgpackWriter& writer, const ResourcePart& part) {
  const size_t map = writer.begin_map();
  uint32_t pairs = 0;
  const auto text = [&](std::string_view key, const std::string& value) {
    if (value.empty()) return;
    writer.string(key), writer.string(value);
    ++pairs;
  };
  text("schema_url", part.schema_url);
  text("name", part.name);
  text("version", part.version);
  if (!part.attributes.empty()) {
    writer.string("attributes"), writer.raw(part.attributes);
    ++pairs;
  }
  if (part.dropped_attributes != 0) {
    writer.string("dropped_attributes_count"), writer.unsigned_integer(part.dropped_attributes);
    ++pairs;
  }
  writer.end_map(map, pairs);
}

// The metadata's own part, with Fluent Bit's names.
void put_metadata(MsgpackWriter& writer, const LogRecord& record) {
  const size_t map = writer.begin_map();
  uint32_t pairs = 0;
  const auto number = [&](std::string_view key, uint64_t value) {
    writer.string(key), writer.unsigned_integer(value);
    ++pairs;
  };
  if (record.observed_time != 0) number("observed_timestamp", record.observed_time);
  if (record.time != 0) number("timestamp", record.time);
  if (record.severity_number >= 1 && record.severity_number <= kSeverityNumberMax)
    number("severity_number", record.severity_number);
  if (!record.severity_text.empty()) {
    writer.string("severity_text"), writer.string(record.severity_text);
    ++pairs;
  }
  if (!record.attributes.empty()) {
    writer.string("attributes"), writer.raw(record.attributes);
    ++pairs;
  }
  if (record.dropped_attributes != 0) number("dropped_attributes_count", record.dropped_attributes);
  if (!record.trace_id.empty()) {
    writer.string("trace_id"), writer.binary(record.trace_id);
    ++pairs;
  }
  if (!record.span_id.empty()) {
    writer.string("span_id"), writer.binary(record.span_id);
    ++pairs;
  }
  number("trace_flags", record.flags & 0xff);
  if (!record.event_name.empty()) {
    writer.string("event_name"), writer.string(record.event_name);
    ++pairs;
  }
  writer.end_map(map, pairs);
}

Timestamp time_of(const LogRecord& record, Timestamp now) {
  const uint64_t time = record.time != 0 ? record.time : record.observed_time;
  if (time == 0 || time > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return now;
  return Timestamp(Nanoseconds(static_cast<int64_t>(time)));
}

}  // namespace

Group make_group(const ResourcePart& resource, const ResourcePart& scope) {
  Group group;
  MsgpackWriter writer(group.pairs);
  writer.string("resource");
  put_part(writer, resource);
  writer.string("scope");
  put_part(writer, scope);
  return group;
}

bool append_log_record(const LogRecord& record, const Group& group, const LogsOptions& options,
                       std::string_view tag, Timestamp now, RequestChunks& chunks) {
  std::string fields;
  MsgpackWriter field_writer(fields);
  const auto type = MsgpackReader(record.body).peek();
  if (options.body_key.empty() && type && *type == MsgpackType::Map) {
    fields = record.body;
  } else {
    field_writer.map_header(1);
    field_writer.string(options.body_key.empty() ? std::string_view("log") : options.body_key);
    if (record.body.empty()) {
      field_writer.nil();
    } else {
      field_writer.raw(record.body);
    }
  }
  std::string own_tag;
  if (options.tag_key) {
    if (const auto value = options.tag_key->find(fields)) {
      if (const auto text = MsgpackReader(*value).read_string(); text && !text->empty()) {
        own_tag = *text;
        for (char& c : own_tag) {
          if (!is_letter(c) && !is_digit(c) && c != '_' && c != '.') c = '_';
        }
      }
    }
  }
  std::string metadata;
  MsgpackWriter writer(metadata);
  writer.map_header(1 + kGroupPairs);
  writer.string(options.metadata_key);
  put_metadata(writer, record);
  writer.raw(group.pairs);
  Chunk& chunk = chunks.chunk_for(own_tag.empty() ? tag : own_tag, fields.size() + metadata.size());
  chunk.append(time_of(record, now), fields, metadata);
  return !chunks.too_large();
}

std::unexpected<Error> too_large() {
  return fail(ErrorCode::Exhausted,
              fmt::format("its records would be larger than {} MiB, resource attributes repeated",
                          kRequestBytesMax >> 20));
}

Status LogsReader::read_protobuf(std::string_view body, std::string_view tag,
                                 RequestChunks& chunks) {
  return decode_protobuf_logs(body, options_, tag, clock_.wall(), chunks);
}

Status LogsReader::read_json(std::string_view body, std::string_view tag, RequestChunks& chunks) {
  if (body.size() > kJsonRequestBytesMax) {
    return fail(ErrorCode::Exhausted,
                fmt::format("JSON is taken up to {} MiB; protobuf may be larger",
                            kJsonRequestBytesMax >> 20));
  }
  std::string request;
  if (const auto parsed = json_.append_object(body, request); !parsed) {
    return fail(ErrorCode::Corrupt, std::string(to_string(parsed.error())));
  }
  return decode_json_logs(request, options_, tag, clock_.wall(), chunks);
}

}  // namespace noroshi::otlp
