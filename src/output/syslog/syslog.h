// The `syslog` output: records as syslog messages over UDP, TCP or TLS.
//
//   syslog_message   a record as RFC 5424 or RFC 3164
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/option_table.h"
#include "output/plugin.h"
#include "output/stream_output.h"
#include "output/syslog/syslog_message.h"

namespace noroshi {

enum class SyslogTransport : uint8_t { Udp, Tcp, Tls, Dtls };
// How messages are told apart in a stream (RFC 6587 §3.4).
enum class SyslogFraming : uint8_t { Newline, OctetCounted };

struct SyslogOutputOptions : ServerOptions {
  SyslogTransport mode = SyslogTransport::Udp;
  SyslogFraming framing = SyslogFraming::Newline;
  SyslogMessageFormat format = SyslogMessageFormat::Rfc5424;
  ByteSize maxsize = {};
  LocatedText severity_key = {}, facility_key = {};
  int64_t severity_preset = 6, facility_preset = 1;
  LocatedText hostname_key = {}, appname_key = {}, procid_key = {}, msgid_key = {};
  std::string hostname_preset = {}, appname_preset = {}, procid_preset = {}, msgid_preset = {};
  std::vector<LocatedText> sd_key = {};
  LocatedText message_key = {};
  bool allow_longer_sd_id = false;
};

[[nodiscard]] const OptionTable<SyslogOutputOptions>& syslog_output_option_table();

extern const OutputPlugin kSyslogOutputPlugin;

}  // namespace noroshi
