// RecordEncoder: one record as the payload formats that HTTP and Kafka outputs share, as Fluent
// Bit 5.1 makes them (src/flb_pack.c, src/flb_pack_gelf.c).
//
// Reuses nothing between calls but its options: immutable.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "config/option_table.h"
#include "output/request/item_protocol.h"
#include "record/chunk.h"
#include "record/json_writer.h"

namespace noroshi {

enum class RecordFormat {
  Json,        // a batch is one array
  JsonStream,  // objects one behind the other
  JsonLines,   // objects, a line each
  Msgpack,     // [[time, {metadata}], {record}] one behind the other: Fluent Bit's own chunk format
  Gelf,        // Graylog, a line each
};

// Which keys of a record become GELF's own fields; every other becomes "_key".
struct GelfKeys {
  std::string timestamp = "timestamp";
  std::string host = "host";
  std::string short_message = "short_message";
  std::string full_message = "full_message";
  std::string level = "level";
};

struct RecordEncoderOptions {
  RecordFormat format = RecordFormat::Json;
  std::string date_key = "date";  // empty: none
  JsonDateFormat date_format = JsonDateFormat::Double;
  GelfKeys gelf = {};
};

class RecordEncoder {
 public:
  explicit RecordEncoder(RecordEncoderOptions options);

  // Appends; false, and nothing appended, if the record is no MessagePack map or (Gelf) has no
  // short message.
  [[nodiscard]] bool append(std::string& out, const ChunkView& chunk,
                            const RecordEntry& entry) const;
  [[nodiscard]] ItemFraming framing() const;
  // Of a body of such items.
  [[nodiscard]] std::string_view content_type() const;

 private:
  RecordEncoderOptions options_;
  NdjsonOptions ndjson_;
};

// One GELF 1.1 object (https://go2docs.graylog.org/current/getting_in_log_data/gelf.html): nested
// maps become "_a_b", null is left out, "id" is not allowed. False, and nothing appended, without
// a short message or if `record` is no map.
[[nodiscard]] bool write_gelf(std::string& out, const GelfKeys& keys, Timestamp time,
                              std::string_view record);

// The options of these formats; every output lists the words it takes.
struct RecordFormatOptions {
  std::string json_date_key;
  LocatedText json_date_format;
  std::string gelf_timestamp_key, gelf_host_key, gelf_short_message_key, gelf_full_message_key,
      gelf_level_key;
};

[[nodiscard]] RecordEncoderOptions make_record_encoder_options(const RecordFormatOptions& options,
                                                               RecordFormat format,
                                                               Diagnostics& diagnostics);

template <typename Options>
void add_gelf_options(OptionTable<Options>& table) {
  using O = Options;
  const auto text = [](std::string RecordFormatOptions::* member) {
    return static_cast<std::string O::*>(member);
  };
  table
      .option("gelf_timestamp_key", text(&RecordFormatOptions::gelf_timestamp_key), "timestamp",
              "GELF: key of the time; where it is missing, the record's time.")
      .option("gelf_host_key", text(&RecordFormatOptions::gelf_host_key), "host",
              "GELF: key of the host.")
      .option("gelf_short_message_key", text(&RecordFormatOptions::gelf_short_message_key),
              "short_message", "GELF: key of the message; a record without it is rejected.")
      .option("gelf_full_message_key", text(&RecordFormatOptions::gelf_full_message_key),
              "full_message", "GELF: key of the long message.")
      .option("gelf_level_key", text(&RecordFormatOptions::gelf_level_key), "level",
              "GELF: key of the level; words become syslog's numbers.");
}

template <typename Options>
void add_json_date_options(OptionTable<Options>& table, const std::string& key_default,
                           const std::string& format_default) {
  using O = Options;
  table
      .option("json_date_key", static_cast<std::string O::*>(&RecordFormatOptions::json_date_key),
              key_default, "Key of the time in JSON; false: none.")
      .option("json_date_format",
              static_cast<LocatedText O::*>(&RecordFormatOptions::json_date_format), format_default,
              "double, epoch, epoch_ms, iso8601 or java_sql_timestamp.");
}

// As strftime, in UTC, and %3N %6N %9N (digits of the second), %f (six of them), %L (nine, or
// three as in the Go plugins).
[[nodiscard]] std::string format_time(std::string_view format, Timestamp time,
                                      bool go_plugin = false);

}  // namespace noroshi
