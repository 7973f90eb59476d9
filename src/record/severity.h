// Severity: the one scale every level spelling is mapped to, lowest first. docs/severity.md has the
// table.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace noroshi {

// The values are written into journal entries: append only, never renumber.
enum class Severity : uint8_t {
  NotInferred = 0,  // nobody has looked yet
  Unknown = 1,      // looked, and the record says nothing
  Trace = 2,
  Debug = 3,
  Info = 4,
  Notice = 5,
  Warn = 6,
  Error = 7,
  Critical = 8,
  Alert = 9,
  Fatal = 10,
};

// "trace", "debug", … "fatal"; "unknown".
[[nodiscard]] std::string_view to_string(Severity severity);

// A word or a number as text ("ERROR", "warn", "err", "50"), any case; nullopt if it is no level. A
// number is read as the value of a key named "level".
[[nodiscard]] std::optional<Severity> parse_severity(std::string_view text);

// A numeric level under a given key: severity_number is OpenTelemetry's 1..24; 0..7 is
// syslog; 10..60 is pino's and bunyan's under "level", else Python's logging. All ranges:
// severity_words.h.
[[nodiscard]] std::optional<Severity> severity_of_number(std::string_view key, int64_t number);

// A value (MessagePack) under a given key: a word, a number, or a number as text.
[[nodiscard]] std::optional<Severity> severity_of_value(std::string_view key,
                                                        std::string_view value);

// True for level, severity, log_level, levelname, lvl, severity_text, severity_number, … in any
// case and with '-', '_' or nothing between the words.
[[nodiscard]] bool is_severity_key(std::string_view key);

// From the record's own severity key (first one in the record), else from the plain-text prefix of
// its `log`, `message` or `msg` ("ERROR:    Exception in ASGI application", "[WARN] …", "2026-…
// ERROR …"); if that line is a JSON object, from the keys inside it. `record` is one MessagePack
// map. Cost: one scan of the top-level keys. Never NotInferred.
[[nodiscard]] Severity infer_severity(std::string_view record);

// The plain-text rule alone.
[[nodiscard]] std::optional<Severity> severity_of_line(std::string_view line);

}  // namespace noroshi
