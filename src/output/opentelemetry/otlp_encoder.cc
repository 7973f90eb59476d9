#include "output/opentelemetry/otlp_encoder.h"

#include <algorithm>

#include "output/request/protobuf_writer.h"
#include "record/json_writer.h"
#include "record/map_pairs.h"
#include "record/msgpack_reader.h"
#include "record/severity.h"
#include "record/utf8.h"
#include "record/valid_record.h"

namespace noroshi {
namespace {

// logs.proto, LogRecord.
constexpr uint32_t kTime = 1, kSeverityNumber = 2, kSeverityText = 3, kBody = 5, kAttributes = 6,
                   kFlags = 8, kTraceId = 9, kSpanId = 10, kObservedTime = 11;
constexpr uint32_t kDropped = 7, kEventName = 12;
// resource.proto, Resource; logs.proto, ScopeLogs and ResourceLogs; common.proto,
// InstrumentationScope.
constexpr uint32_t kResourceAttributes = 1, kResourceDropped = 2, kScope = 1, kSchemaUrl = 3,
                   kScopeName = 1, kScopeVersion = 2, kScopeAttributes = 3, kScopeDropped = 4;
// common.proto, AnyValue.
constexpr uint32_t kString = 1, kBool = 2, kInt = 3, kDouble = 4, kArray = 5, kMap = 6, kBytes = 7;

constexpr size_t kTraceIdBytes = 16;
constexpr size_t kSpanIdBytes = 8;

void write_any_value(ProtobufWriter& writer, uint32_t field, MsgpackReader& reader);

void write_key(ProtobufWriter& writer, MsgpackReader& reader) {
  const auto key = reader.skip();
  if (!key) return;
  std::string text;
  static_cast<void>(append_value_text(text, *key));
  writer.bytes_field(1, text);
}

// `reader` stands on a value that was validated: depth and lengths are checked.
void write_any_value(ProtobufWriter& writer, uint32_t field, MsgpackReader& reader) {
  const size_t message = writer.begin_message(field);
  const auto token = reader.next();
  if (token) {
    switch (token->type) {
      case MsgpackType::Nil:
        break;  // an AnyValue without a value
      case MsgpackType::Bool:
        writer.varint_field(kBool, token->boolean ? 1 : 0);
        break;
      case MsgpackType::UnsignedInteger:
        // int_value is signed: what does not fit becomes a double.
        if (token->unsigned_integer <= INT64_MAX) {
          writer.varint_field(kInt, token->unsigned_integer);
        } else {
          writer.double_field(kDouble, static_cast<double>(token->unsigned_integer));
        }
        break;
      case MsgpackType::NegativeInteger:
        writer.varint_field(kInt, static_cast<uint64_t>(token->negative_integer));
        break;
      case MsgpackType::Float:
        writer.double_field(kDouble, token->number);
        break;
      case MsgpackType::String: {
        // A string must be UTF-8: what is not goes as bytes.
        std::string_view rest = token->bytes;
        bool valid = true;
        while (!rest.empty() && valid) {
          const Utf8Sequence sequence = read_utf8(rest.data(), rest.size());
          valid = sequence.valid;
          rest.remove_prefix(sequence.bytes);
        }
        writer.bytes_field(valid ? kString : kBytes, token->bytes);
        break;
      }
      case MsgpackType::Binary:
      case MsgpackType::Extension:
        writer.bytes_field(kBytes, token->bytes);
        break;
      case MsgpackType::Array: {
        const size_t array = writer.begin_message(kArray);
        for (uint32_t i = 0; i < token->count; ++i) write_any_value(writer, 1, reader);
        writer.end_message(array);
        break;
      }
      case MsgpackType::Map: {
        const size_t map = writer.begin_message(kMap);
        for (uint32_t i = 0; i < token->count; ++i) {
          const size_t pair = writer.begin_message(1);
          write_key(writer, reader);
          write_any_value(writer, 2, reader);
          writer.end_message(pair);
        }
        writer.end_message(map);
        break;
      }
    }
  }
  writer.end_message(message);
}

void write_attributes(ProtobufWriter& writer, uint32_t field, std::string_view map,
                      const char* without) {
  MapPairs pairs(map);
  for (MapPair pair; pairs.next(pair);) {
    if (pair.value.data() == without) continue;
    const size_t attribute = writer.begin_message(field);
    MsgpackReader key(pair.key);
    write_key(writer, key);
    MsgpackReader value(pair.value);
    write_any_value(writer, 2, value);
    writer.end_message(attribute);
  }
}

bool is_map(std::string_view value) {
  MsgpackReader reader(value);
  const auto type = reader.peek();
  return type && *type == MsgpackType::Map;
}

std::optional<std::string_view> text_of(const std::optional<std::string_view>& value) {
  if (!value) return std::nullopt;
  MsgpackReader reader(*value);
  const auto text = reader.read_binary();
  return text ? std::optional(*text) : std::nullopt;
}

std::optional<uint64_t> number_of(const std::optional<std::string_view>& value) {
  if (!value) return std::nullopt;
  MsgpackReader reader(*value);
  const auto number = reader.read_uint();
  return number ? std::optional(*number) : std::nullopt;
}

// `size` bytes, or twice as many hex digits; empty otherwise.
std::string id_of(const std::optional<std::string_view>& value, size_t size) {
  const auto text = text_of(value);
  if (!text) return {};
  if (text->size() == size) return std::string(*text);
  if (text->size() != 2 * size) return {};
  std::string bytes;
  for (size_t i = 0; i < text->size(); i += 2) {
    int byte = 0;
    for (const char c : text->substr(i, 2)) {
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return {};
      byte = byte * 16 + digit;
    }
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

// https://opentelemetry.io/docs/specs/otel/logs/data-model-appendix/#appendix-b-severitynumber-example-mappings
uint32_t severity_number(Severity severity) {
  switch (severity) {
    case Severity::NotInferred:
    case Severity::Unknown:
      return 0;
    case Severity::Trace:
      return 1;
    case Severity::Debug:
      return 5;
    case Severity::Info:
      return 9;
    case Severity::Notice:
      return 10;
    case Severity::Warn:
      return 13;
    case Severity::Error:
      return 17;
    case Severity::Critical:
      return 18;
    case Severity::Alert:
      return 19;
    case Severity::Fatal:
      return 21;
  }
  return 0;
}

}  // namespace

void append_otlp_attribute(std::string& out, uint32_t field, std::string_view key,
                           std::string_view text) {
  ProtobufWriter writer(out);
  const size_t attribute = writer.begin_message(field);
  writer.bytes_field(1, key);
  const size_t value = writer.begin_message(2);
  writer.bytes_field(kString, text);
  writer.end_message(value);
  writer.end_message(attribute);
}

bool OtlpEncoder::append_record(std::string& out, const ChunkView& chunk,
                                const RecordEntry& entry) const {
  const std::string_view record = chunk.record(entry);
  if (!is_valid_record(record)) return false;
  std::string_view metadata;
  if (const std::string_view all = chunk.metadata(entry); !all.empty() && validate_msgpack(all)) {
    if (const auto own = find_key(all, options_.metadata_key); own && is_map(*own)) metadata = *own;
  }
  const auto meta = [&](std::string_view key) -> std::optional<std::string_view> {
    return metadata.empty() ? std::nullopt : find_key(metadata, key);
  };
  const auto either = [&](std::string_view key, const std::optional<RecordAccessor>& accessor) {
    auto value = meta(key);
    if (!value && accessor) value = accessor->find(record);
    return value;
  };

  ProtobufWriter writer(out);
  const auto own_time =
      static_cast<uint64_t>(std::max<int64_t>(0, entry.time.time_since_epoch().count()));
  writer.fixed64_field(kTime, number_of(meta("timestamp")).value_or(own_time));
  uint64_t number = number_of(either("severity_number", options_.severity_number)).value_or(0);
  const auto severity_text = text_of(either("severity_text", options_.severity_text));
  if (number < 1 || number > 24) {
    const Severity severity =
        entry.severity == Severity::NotInferred ? infer_severity(record) : entry.severity;
    number = severity_number(severity_text ? parse_severity(*severity_text).value_or(severity)
                                           : severity);
  }
  if (number > 0) writer.varint_field(kSeverityNumber, number);
  if (severity_text) writer.bytes_field(kSeverityText, *severity_text);

  const char* body_value = nullptr;
  std::optional<std::string_view> body;
  for (const RecordAccessor& accessor : options_.body_keys) {
    if ((body = accessor.find(record))) break;
  }
  if (body) body_value = body->data();
  MsgpackReader reader(body.value_or(record));
  write_any_value(writer, kBody, reader);
  if (body && options_.body_key_attributes)
    write_attributes(writer, kAttributes, record, body_value);
  if (const auto attributes = meta("attributes"); attributes && is_map(*attributes))
    write_attributes(writer, kAttributes, *attributes, nullptr);
  if (const auto dropped = number_of(meta("dropped_attributes_count")))
    writer.varint_field(kDropped, *dropped);
  if (const auto flags = number_of(meta("trace_flags")))
    writer.fixed32_field(kFlags, static_cast<uint32_t>(*flags));
  if (const std::string id = id_of(either("trace_id", options_.trace_id), kTraceIdBytes);
      !id.empty()) {
    writer.bytes_field(kTraceId, id);
  }
  if (const std::string id = id_of(either("span_id", options_.span_id), kSpanIdBytes);
      !id.empty()) {
    writer.bytes_field(kSpanId, id);
  }
  writer.fixed64_field(kObservedTime, number_of(meta("observed_timestamp")).value_or(own_time));
  if (const auto name = text_of(meta("event_name"))) writer.bytes_field(kEventName, *name);
  return true;
}

OtlpEncoder::Origin OtlpEncoder::origin(const ChunkView& chunk, const RecordEntry& entry) {
  Origin origin;
  const std::string_view metadata = chunk.metadata(entry);
  if (metadata.empty() || !validate_msgpack(metadata)) return origin;
  const auto map_of = [](std::string_view map, std::string_view key) {
    const auto value = find_key(map, key);
    return value && is_map(*value) ? *value : std::string_view();
  };
  if (const std::string_view resource = map_of(metadata, "resource"); !resource.empty()) {
    ProtobufWriter writer(origin.resource);
    if (const auto attributes = map_of(resource, "attributes"); !attributes.empty())
      write_attributes(writer, kResourceAttributes, attributes, nullptr);
    if (const auto dropped = number_of(find_key(resource, "dropped_attributes_count")))
      writer.varint_field(kResourceDropped, *dropped);
    if (const auto schema = text_of(find_key(resource, "schema_url")))
      ProtobufWriter(origin.resource_schema).bytes_field(kSchemaUrl, *schema);
  }
  if (const std::string_view scope = map_of(metadata, "scope"); !scope.empty()) {
    ProtobufWriter writer(origin.scope);
    const size_t message = writer.begin_message(kScope);
    if (const auto name = text_of(find_key(scope, "name"))) writer.bytes_field(kScopeName, *name);
    if (const auto version = text_of(find_key(scope, "version")))
      writer.bytes_field(kScopeVersion, *version);
    if (const auto attributes = map_of(scope, "attributes"); !attributes.empty())
      write_attributes(writer, kScopeAttributes, attributes, nullptr);
    if (const auto dropped = number_of(find_key(scope, "dropped_attributes_count")))
      writer.varint_field(kScopeDropped, *dropped);
    writer.end_message(message);
    if (const auto schema = text_of(find_key(scope, "schema_url")))
      writer.bytes_field(kSchemaUrl, *schema);
  }
  return origin;
}

}  // namespace noroshi
