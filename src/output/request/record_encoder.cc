#include "output/request/record_encoder.h"

#include <fmt/format.h>

#include <ctime>

#include "config/json_date_option.h"
#include "config/values.h"
#include "record/map_pairs.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"
#include "record/valid_record.h"

namespace noroshi {

RecordEncoder::RecordEncoder(RecordEncoderOptions options)
    : options_(std::move(options)),
      ndjson_{.date_key = options_.date_key, .date_format = options_.date_format} {}

bool RecordEncoder::append(std::string& out, const ChunkView& chunk,
                           const RecordEntry& entry) const {
  const std::string_view record = chunk.record(entry);
  switch (options_.format) {
    case RecordFormat::Json:
    case RecordFormat::JsonStream:
    case RecordFormat::JsonLines:
      if (!write_ndjson_record(out, ndjson_, entry.time, record)) return false;
      out.pop_back();  // the line end; framing() has the separators
      return true;
    case RecordFormat::Gelf:
      return write_gelf(out, options_.gelf, entry.time, record);
    case RecordFormat::Msgpack:
      break;
  }
  if (!is_valid_record(record)) return false;
  MsgpackWriter writer(out);
  writer.array_header(2);
  writer.array_header(2);
  writer.time(entry.time);
  if (const std::string_view metadata = chunk.metadata(entry);
      !metadata.empty() && validate_msgpack(metadata)) {
    writer.raw(metadata);
  } else {
    writer.map_header(0);
  }
  writer.raw(record);
  return true;
}

ItemFraming RecordEncoder::framing() const {
  switch (options_.format) {
    case RecordFormat::Json:
      return {.opening = "[", .separator = ",", .closing = "]"};
    case RecordFormat::JsonLines:
    case RecordFormat::Gelf:
      return {.opening = {}, .separator = "\n", .closing = "\n"};
    case RecordFormat::JsonStream:
    case RecordFormat::Msgpack:
      break;
  }
  return {};
}

std::string_view RecordEncoder::content_type() const {
  return options_.format == RecordFormat::Msgpack ? "application/msgpack" : "application/json";
}

RecordEncoderOptions make_record_encoder_options(const RecordFormatOptions& options,
                                                 RecordFormat format, Diagnostics& diagnostics) {
  RecordEncoderOptions made{.format = format, .date_key = options.json_date_key};
  const std::string word = to_lower(made.date_key);
  if (word == "false" || word == "off") made.date_key.clear();
  if (!options.json_date_format.text.empty()) {
    if (const auto date = parse_json_date_option(options.json_date_format, diagnostics))
      made.date_format = *date;
  }
  made.gelf = {.timestamp = options.gelf_timestamp_key,
               .host = options.gelf_host_key,
               .short_message = options.gelf_short_message_key,
               .full_message = options.gelf_full_message_key,
               .level = options.gelf_level_key};
  return made;
}

std::string format_time(std::string_view format, Timestamp time, bool go_plugin) {
  const auto seconds = std::chrono::floor<Seconds>(time);
  const auto nanoseconds = static_cast<uint64_t>((time - seconds).count());
  // Digits first: strftime knows none of these.
  std::string expanded;
  for (size_t i = 0; i < format.size(); ++i) {
    const std::string_view rest = format.substr(i);
    const auto digits = [&](size_t length, int count) {
      i += length - 1;
      expanded += fmt::format("{:09}", nanoseconds).substr(0, static_cast<size_t>(count));
    };
    if (rest.starts_with("%3N")) {
      digits(3, 3);
    } else if (rest.starts_with("%6N")) {
      digits(3, 6);
    } else if (rest.starts_with("%9N")) {
      digits(3, 9);
    } else if (rest.starts_with("%f")) {
      digits(2, 6);
    } else if (rest.starts_with("%L")) {
      digits(2, go_plugin ? 3 : 9);
    } else if (rest.starts_with("%%")) {
      expanded += "%%";
      ++i;
    } else {
      expanded += format[i];
    }
  }
  const std::time_t whole = seconds.time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&whole, &parts);
  // strftime() answers 0 both for "too long" and for an empty text: the space tells them apart.
  expanded += ' ';
  std::string text(expanded.size() + 64, '\0');
  size_t size = 0;
  while ((size = std::strftime(text.data(), text.size(), expanded.c_str(), &parts)) == 0)
    text.resize(text.size() * 2);
  text.resize(size - 1);
  return text;
}

}  // namespace noroshi
