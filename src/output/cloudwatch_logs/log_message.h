// LogMessageEncoder: what one record says in CloudWatch Logs.
//
//   log_key set, key present     a string as it is; numbers, booleans, maps, arrays as JSON
//   log_key set, key absent      the whole record as JSON, counted and warned of: never a drop
//   log_key not set              the whole record as JSON
//   an EMF line                  alone: exactly the one JSON object CloudWatch extracts metrics
//   from, even
//                                where the whole record would be sent and its `log` holds that line
//
// The key matches exactly. Bytes that are not UTF-8 become U+FFFD. An empty message, which
// PutLogEvents refuses together with everything beside it, becomes one space: the line stays, at
// its time and place.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace noroshi {

struct LogMessage {
  std::string_view text = {};  // UTF-8, at least one byte; valid as the record, until the next call
  bool log_key_missing = false;
};

// Reuses its memory from record to record. Not thread-safe.
class LogMessageEncoder {
 public:
  // A message larger than this is refused: it bounds memory. The largest record is 8 MiB of
  // MessagePack and stays below unless it is mostly control characters (six bytes each as JSON).
  static constexpr size_t kMessageBytesMax = 12 << 20;

  // Empty: no log_key.
  explicit LogMessageEncoder(std::string log_key = {});
  ~LogMessageEncoder();

  // `record` is one MessagePack map. Corrupt if it is not; Exhausted beyond kMessageBytesMax. Frees
  // what the previous call left behind if that was huge.
  [[nodiscard]] Result<LogMessage> encode(std::string_view record);

  // True if `text` is one JSON object with a `_aws` object in it, and nothing before or behind.
  [[nodiscard]] bool is_emf(std::string_view text);

 private:
  [[nodiscard]] Result<LogMessage> encode_whole(std::string_view record);
  [[nodiscard]] std::string_view valid_text(std::string_view text);

  struct JsonParser;
  std::string log_key_;
  std::string text_;
  std::unique_ptr<JsonParser> parser_;
};

// Appends `text`, every maximal invalid part of UTF-8 as one U+FFFD (Unicode 15, 3.9, "U+FFFD
// Substitution of Maximal Subparts": what browsers and Python do).
void append_repaired_utf8(std::string& out, std::string_view text);

}  // namespace noroshi
