// The `tcp` input: JSON documents or lines over TCP. README.md says what it takes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "input/plugin.h"
#include "input/text_options.h"

namespace noroshi {

class TlsContext;  // net/tls.h

struct TcpOptions {
  std::string listen = "0.0.0.0";
  uint16_t port = 5170;
  std::string tag = "tcp.0";
  MessageFormat format = {};
  int backlog = 128;
  size_t connections_max = 4096;
  std::shared_ptr<TlsContext> tls = {};  // null: plain TCP
};

// `claim` is its number in `listeners`.
[[nodiscard]] std::unique_ptr<Input> make_tcp(TcpOptions options, std::string instance_name,
                                              const ListenerRegistry* listeners = nullptr,
                                              size_t claim = 0,
                                              const Clock& clock = system_clock());

extern const InputPlugin kTcpInput;

}  // namespace noroshi
