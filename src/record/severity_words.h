// The tables of severity.cc: what docs/severity.md shows to users. Change both together (a test
// compares).
#pragma once

#include <array>
#include <string_view>

#include "record/severity.h"

namespace noroshi::severity_tables {

// Keys, in lower case and without '-', '_', '.', ' ' and '@'.
inline constexpr std::array<std::string_view, 12> kKeys = {
    "level",          "severity",    "loglevel", "levelname",  "lvl",          "severitytext",
    "severitynumber", "logseverity", "levelno",  "levelvalue", "loglevelname", "syslogseverity",
};

struct Word {
  std::string_view word;  // lower case
  Severity severity;
  // May stand for a level at the beginning of a plain line. The others are ordinary words of
  // English ("config: loaded") or too short; they count only as the value of a key.
  bool in_text = true;
};

inline constexpr Word kWords[] = {
    {"trace", Severity::Trace},
    {"trc", Severity::Trace},
    {"verbose", Severity::Trace},  // Azure, Serilog
    {"verb", Severity::Trace},
    {"vrb", Severity::Trace},
    {"silly", Severity::Trace, false},  // winston
    {"finer", Severity::Trace, false},  // java.util.logging
    {"finest", Severity::Trace, false},
    {"t", Severity::Trace, false},
    {"debug", Severity::Debug},
    {"debu", Severity::Debug},  // logrus on a terminal
    {"dbug", Severity::Debug},  // .NET
    {"dbg", Severity::Debug},
    {"fine", Severity::Debug, false},
    {"config", Severity::Debug, false},
    {"d", Severity::Debug, false},
    {"info", Severity::Info},
    {"inf", Severity::Info},
    {"information", Severity::Info},    // .NET
    {"informational", Severity::Info},  // Azure, syslog
    {"log", Severity::Info, false},     // PostgreSQL, NestJS
    {"i", Severity::Info, false},
    {"notice", Severity::Notice},
    {"success", Severity::Notice, false},  // loguru: between INFO and WARNING
    {"warn", Severity::Warn},
    {"warning", Severity::Warn},
    {"wrn", Severity::Warn},
    {"w", Severity::Warn, false},
    {"error", Severity::Error},
    {"err", Severity::Error},
    {"erro", Severity::Error},    // logrus on a terminal
    {"eror", Severity::Error},    // Serilog
    {"fail", Severity::Error},    // .NET
    {"severe", Severity::Error},  // java.util.logging
    {"e", Severity::Error, false},
    {"critical", Severity::Critical},
    {"crit", Severity::Critical},
    {"c", Severity::Critical, false},
    {"alert", Severity::Alert},
    {"fatal", Severity::Fatal},
    {"fata", Severity::Fatal},
    {"fatl", Severity::Fatal},
    {"ftl", Severity::Fatal},
    {"panic", Severity::Fatal},
    {"pani", Severity::Fatal},
    {"dpanic", Severity::Fatal},  // zap
    {"emerg", Severity::Fatal},   // syslog
    {"emergency", Severity::Fatal},
    {"f", Severity::Fatal, false},
};

// A range of numbers, both ends included.
struct Range {
  int64_t first;
  int64_t last;
  Severity severity;
};

// syslog (RFC 5424 §6.2.1), also GELF; under any key but severity_number and levelno.
inline constexpr Range kSyslog[] = {
    {0, 0, Severity::Fatal}, {1, 1, Severity::Alert}, {2, 2, Severity::Critical},
    {3, 3, Severity::Error}, {4, 4, Severity::Warn},  {5, 5, Severity::Notice},
    {6, 6, Severity::Info},  {7, 7, Severity::Debug},
};
// OpenTelemetry logs data model, SeverityNumber; under severity_number.
inline constexpr Range kOpenTelemetry[] = {
    {1, 4, Severity::Trace},  {5, 8, Severity::Debug},   {9, 12, Severity::Info},
    {13, 16, Severity::Warn}, {17, 20, Severity::Error}, {21, 24, Severity::Fatal},
};
// Python's logging, loguru (5 TRACE, 25 SUCCESS); under every key but level.
inline constexpr Range kPython[] = {
    {1, 9, Severity::Trace},      {10, 19, Severity::Debug}, {20, 24, Severity::Info},
    {25, 29, Severity::Notice},   {30, 39, Severity::Warn},  {40, 49, Severity::Error},
    {50, 50, Severity::Critical},
};
// pino and bunyan; under level, and above 50 under any key.
inline constexpr Range kPino[] = {
    {10, 19, Severity::Trace}, {20, 29, Severity::Debug}, {30, 39, Severity::Info},
    {40, 49, Severity::Warn},  {50, 59, Severity::Error}, {60, 69, Severity::Fatal},
};
// Google Cloud's LogSeverity; under every key but level.
inline constexpr Range kGoogleCloud[] = {
    {100, 100, Severity::Debug}, {200, 200, Severity::Info},  {300, 300, Severity::Notice},
    {400, 400, Severity::Warn},  {500, 500, Severity::Error}, {600, 600, Severity::Critical},
    {700, 700, Severity::Alert}, {800, 800, Severity::Fatal},
};
// Monolog (PHP); under level.
inline constexpr Range kMonolog[] = {
    {100, 100, Severity::Debug}, {200, 200, Severity::Info},  {250, 250, Severity::Notice},
    {300, 300, Severity::Warn},  {400, 400, Severity::Error}, {500, 500, Severity::Critical},
    {550, 550, Severity::Alert}, {600, 600, Severity::Fatal},
};
// logback's level_value (logstash-logback-encoder); under any key.
inline constexpr Range kLogback[] = {
    {5000, 5000, Severity::Trace},  {10000, 10000, Severity::Debug}, {20000, 20000, Severity::Info},
    {30000, 30000, Severity::Warn}, {40000, 40000, Severity::Error},
};

}  // namespace noroshi::severity_tables
