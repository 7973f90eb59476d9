// MessagePack to compact JSON, appended to a string. One pass, no allocation besides the string's
// own.
//
//   MessagePack              JSON
//   nil, bool                null, true, false
//   integers                 all digits (64 bits, never through a double)
//   float                    the shortest text that reads back as the same double; 1.0 stays "1.0"
//   NaN, infinite            null
//   str, bin                 string; each maximal invalid part of UTF-8 becomes one U+FFFD
//   extension                EventTime (type 0): seconds as "1763866380.123456789" (a number);
//   others:
//                            {"type":5,"data":"<base64>"}
//   map key not a string     its JSON text as a string: {1: …} gives {"1": …}
//                            an array, map or extension that is a key inside such a key: base64 of
//                            its MessagePack, so that the text stays as small as what it is made of
//   duplicate keys           stay as they are, in their order
//
// On error (not one well-formed value, too deep) `out` is as it was before.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "record/msgpack_reader.h"

namespace noroshi {

struct JsonOptions {
  bool escape_unicode =
      false;  // \uXXXX for everything beyond ASCII (Fluent Bit's json_escape_unicode)
};

// `msgpack` is exactly one value.
[[nodiscard]] MsgpackStatus write_json(std::string& out, std::string_view msgpack,
                                       JsonOptions options = {});
// With the quotes.
void write_json_string(std::string& out, std::string_view text, JsonOptions options = {});
void write_json_number(std::string& out, double value);

// Fluent Bit's json_date_format, printed as Fluent Bit 5.1 prints them (src/flb_pack.c).
enum class JsonDateFormat : uint8_t {
  Double,            // 1763866380.123457 ("%.16g"; whole seconds as "%.1f")
  Epoch,             // 1763866380
  EpochMillis,       // 1763866380123
  Iso8601,           // "2026-11-23T02:53:00.123456Z"
  JavaSqlTimestamp,  // "2026-11-23 02:53:00.123456"
};
// double, epoch, epoch_ms (epoch_millis, epoch_milliseconds), iso8601, java_sql_timestamp; any
// case.
[[nodiscard]] std::optional<JsonDateFormat> parse_json_date_format(std::string_view text);
void write_json_date(std::string& out, JsonDateFormat format, Timestamp time);

struct NdjsonOptions {
  std::string date_key = "date";  // empty: none (json_date_key false)
  JsonDateFormat date_format = JsonDateFormat::Iso8601;
  JsonOptions json = {};
};

// One line: {"date":"2026-11-23T02:53:00.123456Z", …the record's pairs…}\n. A record that has the
// date key itself keeps its own and gets no second one, as with Fluent Bit: a duplicate key breaks
// Athena's reader. WrongType if `record` is not a map.
[[nodiscard]] MsgpackStatus write_ndjson_record(std::string& out, const NdjsonOptions& options,
                                                Timestamp time, std::string_view record);

}  // namespace noroshi
