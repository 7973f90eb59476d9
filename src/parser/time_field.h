// TimeField: reads a record's time out of the text of its time field. Part of Parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/log.h"
#include "parser/parser.h"
#include "parser/time_format.h"

namespace noroshi {

class TimeField {
 public:
  static Result<TimeField> make(const ParserOptions& options, const Clock& clock);

  // False: the record's time does not come from its fields.
  [[nodiscard]] bool wanted() const { return format_.has_value(); }
  // nullopt and a failure counted (and logged, at most once a minute) if `text` has another form.
  [[nodiscard]] std::optional<Timestamp> read(const ParserOptions& options, std::string_view text);
  [[nodiscard]] uint64_t failures() const { return failures_; }

 private:
  explicit TimeField(const Clock& clock) : clock_(&clock) {}

  const Clock* clock_;
  std::optional<TimeFormat> format_;
  uint64_t failures_ = 0;
  std::unique_ptr<LogEpisode> episode_ = std::make_unique<LogEpisode>();
};

}  // namespace noroshi
