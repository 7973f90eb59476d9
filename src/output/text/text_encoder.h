// TextEncoder: records as the text forms that the outputs `stdout` and `file` share, as Fluent
// Bit 5.1 prints them (plugins/out_stdout, plugins/out_file, lib/msgpack-c).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "record/chunk.h"
#include "record/json_writer.h"

namespace noroshi {

enum class TextFormat {
  Msgpack,     // [0] tag: [[1763866380.123456789, {}], {"log"=>"…"}]
  Json,        // [{"date":…},{"date":…}] one array per batch
  JsonLines,   // {"date":…} one per line
  JsonStream,  // {"date":…}{"date":…} one line per batch
  OutFile,     // tag: [1763866380.123456789, {"log":"…"}]
  Plain,       // {"log":"…"} one per line
  Csv,         // 1763866380.123456789,"…",1
  Ltsv,        // "time":1763866380.123457<tab>"log":"…"
  Template,    // the text of `record_template` with {key} and {time} filled in
};

struct TextOptions {
  TextFormat format = TextFormat::Msgpack;
  std::string date_key = "date";  // JSON forms; empty: none
  JsonDateFormat date_format = JsonDateFormat::Double;
  std::string delimiter = ",";        // Csv, Ltsv
  std::string label_delimiter = ":";  // Ltsv
  std::string record_template = {};   // Template
};

// Immutable.
class TextEncoder {
 public:
  explicit TextEncoder(TextOptions options);

  // Appends one record; `number` counts the records of the batch from 0. False, and nothing
  // appended, if it is no MessagePack map.
  [[nodiscard]] bool append(std::string& out, const ChunkView& chunk, const RecordEntry& entry,
                            uint64_t number) const;
  // What belongs before the first record and after the last one.
  [[nodiscard]] std::string_view opening() const;
  [[nodiscard]] std::string_view closing() const;
  // "timestamp,log,level": the line of column names of a Csv file that begins with this record.
  [[nodiscard]] std::string column_names(std::string_view record) const;

  [[nodiscard]] const TextOptions& options() const { return options_; }

 private:
  [[nodiscard]] bool append_pairs(std::string& out, std::string_view record) const;
  [[nodiscard]] bool append_template(std::string& out, Timestamp time,
                                     std::string_view record) const;

  TextOptions options_;
  NdjsonOptions ndjson_;
};

}  // namespace noroshi
