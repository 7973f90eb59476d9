#include "parser/time_field.h"

namespace noroshi {

Result<TimeField> TimeField::make(const ParserOptions& options, const Clock& clock) {
  TimeField field(clock);
  if (options.time_format.empty()) {
    if (!options.time_zone.empty()) {
      return fail(ErrorCode::InvalidArgument, "time_zone requires time_format");
    }
    return field;
  }
  TimeFormatOptions zone{.offset = options.time_offset};
  if (!options.time_zone.empty()) {
    NOROSHI_ASSIGN(zone.zone, TimeZone::load(options.time_zone));
  } else if (options.time_system_timezone) {
    NOROSHI_ASSIGN(zone.zone, TimeZone::load_system());
  }
  NOROSHI_ASSIGN(field.format_, TimeFormat::compile(options.time_format, std::move(zone)));
  return field;
}

std::optional<Timestamp> TimeField::read(const ParserOptions& options, std::string_view text) {
  const Timestamp now = clock_->wall();
  const auto time =
      options.time_strict ? format_->parse(text, now) : format_->parse_lenient(text, now);
  if (time) return time;
  ++failures_;
  if (const uint64_t times = episode_->admit()) {
    log_warn("parser:" + options.name,
             "time '{}' does not follow time_format '{}': it stays in the record, and the record "
             "keeps the time of its arrival ({} times)",
             text.substr(0, 64), options.time_format, times);
  }
  return std::nullopt;
}

}  // namespace noroshi
