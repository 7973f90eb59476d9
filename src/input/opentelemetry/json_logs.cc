// ExportLogsServiceRequest from its JSON form (protobuf's JSON mapping, with OTLP's exceptions:
// trace and span ids are hexadecimal; 64-bit integers are text or numbers; names in lowerCamelCase,
// here also as in the .proto). The JSON comes as MessagePack.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "input/opentelemetry/otlp_logs.h"
#include "record/ascii.h"
#include "record/map_pairs.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"

namespace noroshi::otlp {
namespace {

// "observedTimeUnixNano" is "observed_time_unix_nano".
bool is_name(std::string_view given, std::string_view snake) {
  if (given == snake) return true;
  size_t at = 0;
  for (size_t i = 0; i < snake.size(); ++i, ++at) {
    char expected = snake[i];
    if (expected == '_' && i + 1 < snake.size()) {
      expected = snake[++i];
      if (expected >= 'a' && expected <= 'z') expected = static_cast<char>(expected - 'a' + 'A');
    }
    if (at >= given.size() || given[at] != expected) return false;
  }
  return at == given.size();
}

std::string_view text_of(std::string_view value) {
  const auto text = MsgpackReader(value).read_string();
  return text ? *text : std::string_view();
}

bool is_nil(std::string_view value) {
  const auto type = MsgpackReader(value).peek();
  return type && *type == MsgpackType::Nil;
}

// A 64-bit integer, as a number or as text.
template <typename T>
std::optional<T> integer_of(std::string_view value) {
  MsgpackReader reader(value);
  const auto token = reader.next();
  if (!token) return std::nullopt;
  if (token->type == MsgpackType::UnsignedInteger) return static_cast<T>(token->unsigned_integer);
  if (token->type == MsgpackType::NegativeInteger) return static_cast<T>(token->negative_integer);
  constexpr double kExact = 9e15;  // whole numbers up to here are exact
  if (token->type == MsgpackType::Float && std::abs(token->number) <= kExact)
    return static_cast<T>(static_cast<int64_t>(token->number));
  if (token->type != MsgpackType::String) return std::nullopt;
  T number{};
  const auto [end, error] =
      std::from_chars(token->bytes.data(), token->bytes.data() + token->bytes.size(), number);
  if (error != std::errc() || end != token->bytes.data() + token->bytes.size()) return std::nullopt;
  return number;
}

bool put_hex_bytes(std::string_view hex, std::string& out) {
  if (hex.size() % 2 != 0) return false;
  for (size_t at = 0; at < hex.size(); at += 2) {
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(hex.data() + at, hex.data() + at + 2, byte, 16);
    if (error != std::errc() || end != hex.data() + at + 2) return false;
    out.push_back(static_cast<char>(byte));
  }
  return true;
}

// Standard or URL alphabet, with or without padding.
bool put_base64_bytes(std::string_view text, std::string& out) {
  while (text.ends_with('=')) text.remove_suffix(1);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    uint32_t value = 0;
    if (is_upper(c)) {
      value = static_cast<uint32_t>(c - 'A');
    } else if (is_letter(c)) {
      value = static_cast<uint32_t>(c - 'a' + 26);
    } else if (is_digit(c)) {
      value = static_cast<uint32_t>(c - '0' + 52);
    } else if (c == '+' || c == '-') {
      value = 62;
    } else if (c == '/' || c == '_') {
      value = 63;
    } else {
      return false;
    }
    bits = bits << 6 | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count));
    }
  }
  return true;
}

bool put_value(std::string_view any_value, std::string& out, uint32_t depth);

// [{"key": …, "value": …}, …] as the pairs of a map.
bool put_pairs(std::string_view list, std::string& out, uint32_t depth, uint32_t& count) {
  MsgpackReader reader(list);
  const auto elements = reader.read_array();
  if (!elements) return false;
  count = *elements;
  for (uint32_t n = 0; n < *elements; ++n) {
    const auto element = reader.skip();
    if (!element) return false;
    std::string_view key, value;
    MapPairs pairs(*element);
    for (MapPair pair; pairs.next(pair);) {
      if (pair.name == "key") key = text_of(pair.value);
      if (pair.name == "value") value = pair.value;
    }
    if (!pairs.ok()) return false;
    MsgpackWriter(out).string(key);
    if (value.empty()) {
      MsgpackWriter(out).nil();
    } else if (!put_value(value, out, depth)) {
      return false;
    }
  }
  return true;
}

// {"values": […]} of an ArrayValue or KeyValueList.
bool put_list(std::string_view list, bool of_pairs, std::string& out, uint32_t depth) {
  std::string_view values;
  MapPairs pairs(list);
  for (MapPair pair; pairs.next(pair);) {
    if (pair.name == "values") values = pair.value;
  }
  if (!pairs.ok()) return false;
  MsgpackWriter writer(out);
  const size_t begin = of_pairs ? writer.begin_map() : writer.begin_array();
  uint32_t count = 0;
  if (!values.empty() && !is_nil(values)) {
    if (of_pairs) {
      if (!put_pairs(values, out, depth, count)) return false;
    } else {
      MsgpackReader reader(values);
      const auto elements = reader.read_array();
      if (!elements) return false;
      for (; count < *elements; ++count) {
        const auto element = reader.skip();
        if (!element || !put_value(*element, out, depth)) return false;
      }
    }
  }
  if (of_pairs) {
    writer.end_map(begin, count);
  } else {
    writer.end_array(begin, count);
  }
  return true;
}

bool put_value(std::string_view any_value, std::string& out, uint32_t depth) {
  if (depth > kValueDepthMax) return false;
  MsgpackWriter writer(out);
  MapPairs pairs(any_value);
  MapPair value;
  bool found = false;
  for (MapPair pair; pairs.next(pair);) {
    if (!is_nil(pair.value)) value = pair, found = true;
  }
  if (!pairs.ok()) {
    if (!is_nil(any_value)) return false;
    found = false;
  }
  if (!found) return writer.nil(), true;
  if (is_name(value.name, "string_value")) {
    writer.string(text_of(value.value));
  } else if (is_name(value.name, "bool_value")) {
    const auto truth = MsgpackReader(value.value).read_bool();
    if (!truth) return false;
    writer.boolean(*truth);
  } else if (is_name(value.name, "int_value")) {
    const auto number = integer_of<int64_t>(value.value);
    if (!number) return false;
    writer.integer(*number);
  } else if (is_name(value.name, "double_value")) {
    const auto number = MsgpackReader(value.value).read_float();
    if (!number) return false;
    writer.number(*number);
  } else if (is_name(value.name, "array_value")) {
    return put_list(value.value, false, out, depth + 1);
  } else if (is_name(value.name, "kvlist_value")) {
    return put_list(value.value, true, out, depth + 1);
  } else if (is_name(value.name, "bytes_value")) {
    std::string bytes;
    if (!put_base64_bytes(text_of(value.value), bytes)) return false;
    writer.binary(bytes);
  } else {
    writer.nil();
  }
  return true;
}

bool read_attributes(std::string_view list, std::string& map) {
  map.clear();
  if (is_nil(list)) return true;
  MsgpackWriter writer(map);
  const size_t begin = writer.begin_map();
  uint32_t count = 0;
  if (!put_pairs(list, map, 1, count)) return false;
  writer.end_map(begin, count);
  if (count == 0) map.clear();
  return true;
}

bool read_part(std::string_view message, ResourcePart& part) {
  MapPairs pairs(message);
  for (MapPair pair; pairs.next(pair);) {
    if (pair.name == "name") part.name = text_of(pair.value);
    if (pair.name == "version") part.version = text_of(pair.value);
    if (pair.name == "attributes" && !read_attributes(pair.value, part.attributes)) return false;
    if (is_name(pair.name, "dropped_attributes_count"))
      part.dropped_attributes = integer_of<uint64_t>(pair.value).value_or(0);
  }
  return pairs.ok() || is_nil(message);
}

bool read_log_record(std::string_view message, LogRecord& record) {
  MapPairs pairs(message);
  for (MapPair pair; pairs.next(pair);) {
    if (is_nil(pair.value)) continue;
    const auto number = [&](std::string_view name, uint64_t& member) {
      if (!is_name(pair.name, name)) return true;
      const auto value = integer_of<uint64_t>(pair.value);
      if (value) member = *value;
      return value.has_value();
    };
    if (!number("time_unix_nano", record.time) ||
        !number("observed_time_unix_nano", record.observed_time) ||
        !number("severity_number", record.severity_number) ||
        !number("dropped_attributes_count", record.dropped_attributes) ||
        !number("flags", record.flags)) {
      return false;
    }
    if (is_name(pair.name, "severity_text")) record.severity_text = text_of(pair.value);
    if (is_name(pair.name, "event_name")) record.event_name = text_of(pair.value);
    if (is_name(pair.name, "trace_id") && !put_hex_bytes(text_of(pair.value), record.trace_id))
      return false;
    if (is_name(pair.name, "span_id") && !put_hex_bytes(text_of(pair.value), record.span_id))
      return false;
    if (pair.name == "attributes" && !read_attributes(pair.value, record.attributes)) return false;
    if (pair.name == "body") {
      record.body.clear();
      if (!put_value(pair.value, record.body, 1)) return false;
    }
  }
  return pairs.ok();
}

// Calls `each` for every element of the array `name` of a map.
template <typename Each>
bool for_each(std::string_view message, std::string_view name, Each&& each) {
  MapPairs pairs(message);
  for (MapPair pair; pairs.next(pair);) {
    if (!is_name(pair.name, name) || is_nil(pair.value)) continue;
    MsgpackReader reader(pair.value);
    const auto elements = reader.read_array();
    if (!elements) return false;
    for (uint32_t n = 0; n < *elements; ++n) {
      const auto element = reader.skip();
      if (!element || !each(*element)) return false;
    }
  }
  return pairs.ok();
}

// The member `name` of a message and its schema_url, as one part.
bool read_common(std::string_view message, std::string_view name, ResourcePart& part) {
  MapPairs pairs(message);
  for (MapPair pair; pairs.next(pair);) {
    if (pair.name == name && !read_part(pair.value, part)) return false;
    if (is_name(pair.name, "schema_url")) part.schema_url = text_of(pair.value);
  }
  return pairs.ok();
}

}  // namespace

Status decode_json_logs(std::string_view request, const LogsOptions& options, std::string_view tag,
                        Timestamp now, RequestChunks& chunks) {
  const bool read = for_each(request, "resource_logs", [&](std::string_view resource_logs) {
    ResourcePart resource;
    if (!read_common(resource_logs, "resource", resource)) return false;
    return for_each(resource_logs, "scope_logs", [&](std::string_view scope_logs) {
      ResourcePart scope;
      if (!read_common(scope_logs, "scope", scope)) return false;
      const Group group = make_group(resource, scope);
      return for_each(scope_logs, "log_records", [&](std::string_view log_record) {
        LogRecord record;
        if (!read_log_record(log_record, record)) return false;
        return append_log_record(record, group, options, tag, now, chunks);
      });
    });
  });
  if (read) return {};
  if (chunks.too_large()) return too_large();
  return fail(ErrorCode::Corrupt, "the body is no JSON ExportLogsServiceRequest");
}

}  // namespace noroshi::otlp
