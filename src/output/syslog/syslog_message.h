// SyslogEncoder: records as messages of RFC 5424 or RFC 3164. Immutable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "record/record_accessor.h"

namespace noroshi {

enum class SyslogMessageFormat : uint8_t { Rfc3164, Rfc5424 };

// A header field: from a key of the record, else preset, else none.
struct SyslogField {
  std::optional<RecordAccessor> key = {};
  std::string preset = {};
};

struct SyslogMessageOptions {
  SyslogMessageFormat format = SyslogMessageFormat::Rfc5424;
  size_t bytes_max = 2048;
  std::optional<RecordAccessor> severity_key = {}, facility_key = {};
  int severity = 6;  // info, where the record says nothing
  int facility = 1;  // user
  SyslogField hostname = {}, appname = {}, procid = {}, msgid = {};
  std::vector<RecordAccessor> structured_data = {};  // maps of the record; RFC 5424
  std::optional<RecordAccessor> message_key = {};
  bool long_structured_names = false;  // beyond RFC 5424's 32 characters
};

class SyslogEncoder {
 public:
  explicit SyslogEncoder(SyslogMessageOptions options) : options_(std::move(options)) {}

  // Appends one message, without a line end, of bytes_max bytes at most (cut before a UTF-8
  // sequence that does not fit). False, and nothing appended, if the record is no MessagePack map.
  [[nodiscard]] bool append(std::string& out, Timestamp time, std::string_view record) const;

 private:
  void append_5424(std::string& out, Timestamp time, std::string_view record,
                   std::string_view message) const;
  void append_3164(std::string& out, Timestamp time, std::string_view record,
                   std::string_view message) const;
  void append_structured_data(std::string& out, std::string_view record) const;
  [[nodiscard]] int priority(std::string_view record) const;

  SyslogMessageOptions options_;
};

// 0 to 7 from a digit or a word ("err", "error", "WARNING" …); 0 to 23 from digits or "local0" …
[[nodiscard]] std::optional<int> parse_syslog_severity(std::string_view text);
[[nodiscard]] std::optional<int> parse_syslog_facility(std::string_view text);
// "<34>": a message that has its own header is sent as it is.
[[nodiscard]] bool has_syslog_priority(std::string_view message);

}  // namespace noroshi
