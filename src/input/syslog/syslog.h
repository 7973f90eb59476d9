// The `syslog` input: RFC 5424 and RFC 3164 over TCP, UDP and Unix sockets. README.md says what it
// takes.
#pragma once

#include "input/plugin.h"

namespace noroshi {

extern const InputPlugin kSyslogInput;

}  // namespace noroshi
