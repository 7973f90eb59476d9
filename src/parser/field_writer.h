// FieldWriter: writes the pairs of one record for the formats whose values are text (regex, ltsv,
// logfmt): applies Types and takes the time field. Part of Parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "parser/parser.h"
#include "parser/time_field.h"
#include "record/msgpack_writer.h"

namespace noroshi {

// `text` as `type`, with Fluent Bit's reading of numbers: as far as the text is one, else 0; what
// is neither true nor false stays text.
void write_typed(MsgpackWriter& writer, FieldType type, std::string_view text);

class FieldWriter {
 public:
  FieldWriter(const ParserOptions& options, TimeField& time_field, std::string& out)
      : options_(options), time_field_(time_field), out_(out), writer_(out) {}

  void text(std::string_view key, std::string_view value);
  // A value that Types does not change: a bare key, a text that was unescaped already.
  void truth(std::string_view key);
  void unescaped_text(std::string_view key, std::string_view escaped);

  [[nodiscard]] uint32_t pairs() const { return pairs_; }
  [[nodiscard]] const std::optional<Timestamp>& time() const { return time_; }

 private:
  [[nodiscard]] const FieldTypeRule* rule_of(std::string_view key) const;
  // True if the value became the record's time and is not to be kept.
  [[nodiscard]] bool taken_as_time(std::string_view key, std::string_view value);

  const ParserOptions& options_;
  TimeField& time_field_;
  std::string& out_;
  MsgpackWriter writer_;
  uint32_t pairs_ = 0;
  std::optional<Timestamp> time_;
};

}  // namespace noroshi
