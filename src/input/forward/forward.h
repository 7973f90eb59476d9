// The `forward` input: the Forward protocol of Fluentd, Fluent Bit and Docker's fluentd log driver,
// over TCP and Unix sockets. README.md says what it takes and what happens when something is wrong.
//
//   frame, extent    where a frame ends, what it is and its ack id
//   entry_decoder    its records
//   inflater         gzip and zstd, streaming
//   chunk_collector  one chunk per tag and read
//   ack_window       acks, and repeated requests
//   session, server  connections; the handshake is net/forward_handshake
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "config/option_table.h"
#include "input/plugin.h"
#include "net/forward_handshake.h"
#include "net/tls.h"

namespace noroshi {

struct ForwardOptions {
  std::string listen = {};           // unset: 0.0.0.0, or nothing if unix_path is set
  std::optional<int64_t> port = {};  // unset: 24224
  std::string unix_path = {};
  std::optional<uint32_t> unix_permissions = {};
  std::string tag = {};
  std::string tag_prefix = {};
  ByteSize buffer_chunk_size{256 << 10};
  ByteSize buffer_max_size{12 << 20};
  ByteSize decompressed_max_size{256 << 20};
  int64_t backlog = 128;
  int64_t connections_max = 4096;
  Nanoseconds accept_timeout = Seconds(10);  // for the handshakes of TLS and of the protocol
  std::shared_ptr<TlsContext> tls = {};      // of the TCP listener; null: none
  std::optional<forward::Security> security = {};

  [[nodiscard]] bool listens_on_tcp() const { return unix_path.empty() || !listen.empty() || port; }
};

inline constexpr uint16_t kForwardPort = 24224;

// An input that reads `options`. `claim` is its number in `listeners`, if it listens on TCP.
[[nodiscard]] std::unique_ptr<Input> make_forward(ForwardOptions options, std::string instance_name,
                                                  const ListenerRegistry* listeners = nullptr,
                                                  size_t claim = 0,
                                                  const Clock& clock = system_clock());

extern const InputPlugin kForwardInput;

}  // namespace noroshi
