// KeptConnection: an outgoing stream connection that stays open between attempts, by the `net.…`
// options every output of Fluent Bit takes. One thread.
//
//   NOROSHI_TRY(kept.send(bytes, deadline));          // where nothing is said before or after
//
//   NOROSHI_ASSIGN(auto opened, kept.open(deadline));  // else
//   if (opened.fresh) …the protocol's own handshake…
//   const Status sent = opened.client->write(bytes, kept.io_deadline(deadline));
//   sent ? kept.used() : kept.close();
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/option_info.h"
#include "net/stream_client.h"

namespace noroshi {

class Diagnostics;
struct Section;

// Of one operation, where net.io_timeout is not set. (Fluent Bit: none.)
inline constexpr Nanoseconds kIoTimeout = Seconds(60);

struct ConnectionOptions {
  Nanoseconds connect_timeout = Seconds(10);  // look-up, connection and TLS handshake
  Nanoseconds io_timeout = kIoTimeout;        // one write, or the wait for an answer
  bool keepalive = true;
  Nanoseconds keepalive_idle_timeout = Seconds(30);
  int64_t keepalive_max_recycle = 2000;  // uses of one connection
  std::string source_address = {};
};

[[nodiscard]] ConnectionOptions parse_connection_options(const Section& section,
                                                         Diagnostics& diagnostics);
[[nodiscard]] std::vector<OptionInfo> with_connection_options(std::vector<OptionInfo> options);

class KeptConnection {
 public:
  KeptConnection(StreamAddress address, std::shared_ptr<TlsContext> tls, ConnectionOptions options,
                 const Clock& clock);

  struct Opened {
    StreamClient* client = nullptr;
    bool fresh = false;  // just connected
  };
  // The connection of the last use if it is still good, else a new one.
  [[nodiscard]] Result<Opened> open(Monotonic deadline);
  // One use that asks for no answer: opens, writes `bytes` within net.io_timeout, keeps or closes.
  [[nodiscard]] Status send(std::string_view bytes, Monotonic deadline);
  // The use went well: kept for the next one, if the options allow it.
  void used();
  void close() { client_.reset(); }
  [[nodiscard]] Monotonic io_deadline(Monotonic deadline) const;

  [[nodiscard]] const StreamAddress& address() const { return address_; }
  [[nodiscard]] bool uses_tls() const { return tls_ != nullptr; }

 private:
  StreamAddress address_;
  std::shared_ptr<TlsContext> tls_;
  ConnectionOptions options_;
  const Clock& clock_;
  std::unique_ptr<StreamClient> client_;
  Monotonic last_used_{};
  int64_t uses_ = 0;
};

}  // namespace noroshi
