// ExportLogsServiceRequest from protobuf. Field numbers: opentelemetry-proto,
// collector/logs/v1/logs_service.proto, logs/v1/logs.proto, resource/v1/resource.proto,
// common/v1/common.proto. Fields may come in any order, so what records have in common is looked
// for before them.
#include "input/opentelemetry/otlp_logs.h"
#include "input/opentelemetry/protobuf_reader.h"
#include "record/msgpack_writer.h"

namespace noroshi::otlp {
namespace {

using Wire = ProtobufField::Wire;

bool put_value(std::string_view any_value, std::string& out, uint32_t depth);

// A KeyValue as one pair. Empty keys are kept: the value counts.
bool put_pair(std::string_view key_value, std::string& out, uint32_t depth) {
  ProtobufReader reader(key_value);
  std::string_view key, value;
  for (ProtobufField field; reader.next(field);) {
    if (field.is_bytes(1)) key = field.bytes;
    if (field.is_bytes(2)) value = field.bytes;
  }
  if (!reader.ok()) return false;
  MsgpackWriter(out).string(key);
  return put_value(value, out, depth);
}

// ArrayValue, or KeyValueList: both have their elements in field 1.
bool put_elements(std::string_view list, bool pairs, std::string& out, uint32_t depth) {
  MsgpackWriter writer(out);
  const size_t begin = pairs ? writer.begin_map() : writer.begin_array();
  uint32_t count = 0;
  ProtobufReader reader(list);
  for (ProtobufField field; reader.next(field);) {
    if (!field.is_bytes(1)) continue;
    const bool put = pairs ? put_pair(field.bytes, out, depth) : put_value(field.bytes, out, depth);
    if (!put) return false;
    ++count;
  }
  if (pairs) {
    writer.end_map(begin, count);
  } else {
    writer.end_array(begin, count);
  }
  return reader.ok();
}

bool put_value(std::string_view any_value, std::string& out, uint32_t depth) {
  if (depth > kValueDepthMax) return false;
  // A oneof: the last of its fields counts.
  ProtobufReader reader(any_value);
  ProtobufField value;
  for (ProtobufField field; reader.next(field);) {
    if (field.number >= 1 && field.number <= 7) value = field;
  }
  if (!reader.ok()) return false;
  MsgpackWriter writer(out);
  if (value.is_bytes(1)) {
    writer.string(value.bytes);
  } else if (value.is(2, Wire::Varint)) {
    writer.boolean(value.integer != 0);
  } else if (value.is(3, Wire::Varint)) {
    writer.integer(static_cast<int64_t>(value.integer));
  } else if (value.is(4, Wire::Fixed64)) {
    writer.number(value.as_double());
  } else if (value.is_bytes(5)) {
    return put_elements(value.bytes, false, out, depth + 1);
  } else if (value.is_bytes(6)) {
    return put_elements(value.bytes, true, out, depth + 1);
  } else if (value.is_bytes(7)) {
    writer.binary(value.bytes);
  } else {
    writer.nil();
  }
  return true;
}

// All KeyValues of field `number` of a message, as one map; `map` stays empty if there is none.
bool read_attributes(std::string_view message, uint32_t number, std::string& map) {
  map.clear();
  ProtobufReader reader(message);
  MsgpackWriter writer(map);
  size_t begin = 0;
  uint32_t count = 0;
  for (ProtobufField field; reader.next(field);) {
    if (!field.is_bytes(number)) continue;
    if (count == 0) begin = writer.begin_map();
    if (!put_pair(field.bytes, map, 1)) return false;
    ++count;
  }
  if (count != 0) writer.end_map(begin, count);
  return reader.ok();
}

bool read_resource(std::string_view message, ResourcePart& part) {
  ProtobufReader reader(message);
  for (ProtobufField field; reader.next(field);) {
    if (field.is(2, Wire::Varint)) part.dropped_attributes = field.integer;
  }
  return reader.ok() && read_attributes(message, 1, part.attributes);
}

bool read_scope(std::string_view message, ResourcePart& part) {
  ProtobufReader reader(message);
  for (ProtobufField field; reader.next(field);) {
    if (field.is_bytes(1)) part.name = field.bytes;
    if (field.is_bytes(2)) part.version = field.bytes;
    if (field.is(4, Wire::Varint)) part.dropped_attributes = field.integer;
  }
  return reader.ok() && read_attributes(message, 3, part.attributes);
}

bool read_log_record(std::string_view message, LogRecord& record) {
  ProtobufReader reader(message);
  for (ProtobufField field; reader.next(field);) {
    if (field.is(1, Wire::Fixed64)) record.time = field.integer;
    if (field.is(2, Wire::Varint)) record.severity_number = field.integer;
    if (field.is_bytes(3)) record.severity_text = field.bytes;
    if (field.is_bytes(5)) {
      record.body.clear();
      if (!put_value(field.bytes, record.body, 1)) return false;
    }
    if (field.is(7, Wire::Varint)) record.dropped_attributes = field.integer;
    if (field.is(8, Wire::Fixed32)) record.flags = field.integer;
    if (field.is_bytes(9)) record.trace_id = field.bytes;
    if (field.is_bytes(10)) record.span_id = field.bytes;
    if (field.is(11, Wire::Fixed64)) record.observed_time = field.integer;
    if (field.is_bytes(12)) record.event_name = field.bytes;
  }
  return reader.ok() && read_attributes(message, 6, record.attributes);
}

struct Decoder {
  const LogsOptions& options;
  std::string_view tag;
  Timestamp now;
  RequestChunks& chunks;

  bool scope_logs(std::string_view message, const ResourcePart& resource) {
    ResourcePart scope;
    ProtobufReader first(message);
    for (ProtobufField field; first.next(field);) {
      if (field.is_bytes(1) && !read_scope(field.bytes, scope)) return false;
      if (field.is_bytes(3)) scope.schema_url = field.bytes;
    }
    if (!first.ok()) return false;
    const Group group = make_group(resource, scope);
    ProtobufReader second(message);
    for (ProtobufField field; second.next(field);) {
      if (!field.is_bytes(2)) continue;
      LogRecord record;
      if (!read_log_record(field.bytes, record)) return false;
      if (!append_log_record(record, group, options, tag, now, chunks)) return false;
    }
    return true;
  }

  bool resource_logs(std::string_view message) {
    ResourcePart resource;
    ProtobufReader first(message);
    for (ProtobufField field; first.next(field);) {
      if (field.is_bytes(1) && !read_resource(field.bytes, resource)) return false;
      if (field.is_bytes(3)) resource.schema_url = field.bytes;
    }
    if (!first.ok()) return false;
    ProtobufReader second(message);
    for (ProtobufField field; second.next(field);) {
      if (field.is_bytes(2) && !scope_logs(field.bytes, resource)) return false;
    }
    return true;
  }
};

}  // namespace

Status decode_protobuf_logs(std::string_view body, const LogsOptions& options, std::string_view tag,
                            Timestamp now, RequestChunks& chunks) {
  Decoder decoder{options, tag, now, chunks};
  ProtobufReader reader(body);
  for (ProtobufField field; reader.next(field);) {
    if (field.is_bytes(1) && !decoder.resource_logs(field.bytes)) {
      if (chunks.too_large()) return too_large();
      return fail(ErrorCode::Corrupt, "the body is no protobuf ExportLogsServiceRequest");
    }
  }
  if (!reader.ok())
    return fail(ErrorCode::Corrupt, "the body is no protobuf ExportLogsServiceRequest");
  return {};
}

}  // namespace noroshi::otlp
