#include "output/text/text_encoder.h"

#include <fmt/format.h>

#include <iterator>

#include "record/msgpack_reader.h"
#include "record/msgpack_text.h"
#include "record/record_accessor.h"
#include "record/valid_record.h"

namespace noroshi {
namespace {

// "1763866380.123457", as printf's %f shows the double.
void write_seconds_as_double(std::string& out, Timestamp time) {
  fmt::format_to(std::back_inserter(out), "{:.6f}",
                 static_cast<double>(time.time_since_epoch().count()) / 1e9);
}

// A field of Csv or Ltsv: text in double quotes, with quotes doubled (RFC 4180) and line ends kept
// inside.
void write_field(std::string& out, std::string_view value) {
  MsgpackReader reader(value);
  const auto type = reader.peek();
  const bool quoted = type && (*type == MsgpackType::String || *type == MsgpackType::Binary ||
                               *type == MsgpackType::Map || *type == MsgpackType::Array ||
                               *type == MsgpackType::Extension);
  std::string text;
  if (!append_value_text(text, value)) return;
  if (!quoted) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) out.append(c == '"' ? 2 : 1, c);
  out += '"';
}

}  // namespace

TextEncoder::TextEncoder(TextOptions options)
    : options_(std::move(options)),
      ndjson_{.date_key = options_.date_key, .date_format = options_.date_format} {}

std::string_view TextEncoder::opening() const {
  return options_.format == TextFormat::Json ? "[" : "";
}

std::string_view TextEncoder::closing() const {
  switch (options_.format) {
    case TextFormat::Json:
      return "]\n";
    case TextFormat::JsonStream:
      return "\n";
    default:
      return "";
  }
}

bool TextEncoder::append(std::string& out, const ChunkView& chunk, const RecordEntry& entry,
                         uint64_t number) const {
  const std::string_view record = chunk.record(entry);
  if (!is_valid_record(record)) return false;
  switch (options_.format) {
    case TextFormat::Msgpack: {
      fmt::format_to(std::back_inserter(out), "[{}] {}: [[", number, chunk.tag);
      write_seconds(out, entry.time);
      out += ", ";
      const std::string_view metadata = chunk.metadata(entry);
      if (!metadata.empty() && validate_msgpack(metadata)) {
        write_msgpack_text(out, metadata);
      } else {
        out += "{}";
      }
      out += "], ";
      write_msgpack_text(out, record);
      out += "]\n";
      return true;
    }
    case TextFormat::Json:
    case TextFormat::JsonStream:
    case TextFormat::JsonLines: {
      const size_t before = out.size();
      if (options_.format == TextFormat::Json && number > 0) out += ',';
      if (!write_ndjson_record(out, ndjson_, entry.time, record)) {
        out.resize(before);
        return false;
      }
      if (options_.format != TextFormat::JsonLines) out.pop_back();  // the line end
      return true;
    }
    case TextFormat::OutFile:
      out.append(chunk.tag).append(": [");
      write_seconds(out, entry.time);
      out += ", ";
      static_cast<void>(write_json(out, record));  // well-formed, as is_valid_record() has seen
      out += "]\n";
      return true;
    case TextFormat::Plain:
      static_cast<void>(write_json(out, record));
      out += '\n';
      return true;
    case TextFormat::Csv:
      write_seconds(out, entry.time);
      return append_pairs(out, record);
    case TextFormat::Ltsv:
      out.append("\"time\"").append(options_.label_delimiter);
      write_seconds_as_double(out, entry.time);
      return append_pairs(out, record);
    case TextFormat::Template:
      return append_template(out, entry.time, record);
  }
  return false;
}

bool TextEncoder::append_pairs(std::string& out, std::string_view record) const {
  MsgpackReader reader(record);
  const uint32_t pairs = reader.read_map().value_or(0);
  for (uint32_t i = 0; i < pairs; ++i) {
    const std::string_view key = reader.skip().value_or(std::string_view());
    const std::string_view value = reader.skip().value_or(std::string_view());
    out += options_.delimiter;
    if (options_.format == TextFormat::Ltsv) {
      write_field(out, key);
      out += options_.label_delimiter;
    }
    write_field(out, value);
  }
  out += '\n';
  return true;
}

std::string TextEncoder::column_names(std::string_view record) const {
  std::string line = "timestamp";
  MsgpackReader reader(record);
  const uint32_t pairs = reader.read_map().value_or(0);
  for (uint32_t i = 0; i < pairs; ++i) {
    const std::string_view key = reader.skip().value_or(std::string_view());
    if (!reader.skip()) break;
    line += options_.delimiter;
    write_field(line, key);
  }
  return line + "\n";
}

// A placeholder whose key is missing stays as it is written; "{time}" is the record's time.
bool TextEncoder::append_template(std::string& out, Timestamp time, std::string_view record) const {
  std::string_view rest = options_.record_template;
  while (!rest.empty()) {
    const size_t close = rest.find('}');
    const size_t open = close == std::string_view::npos ? close : rest.substr(0, close).rfind('{');
    if (open == std::string_view::npos) {
      const size_t taken = close == std::string_view::npos ? rest.size() : close + 1;
      out += rest.substr(0, taken);
      rest.remove_prefix(taken);
      continue;
    }
    out += rest.substr(0, open);
    const std::string_view key = rest.substr(open + 1, close - open - 1);
    if (key == "time") {
      write_seconds_as_double(out, time);
    } else if (const auto value = find_key(record, key)) {
      append_value_text(out, *value);
    } else {
      out += rest.substr(open, close - open + 1);
    }
    rest.remove_prefix(close + 1);
  }
  out += '\n';
  return true;
}

}  // namespace noroshi
