#include "net/kept_connection.h"

#include <algorithm>

#include "config/diagnostics.h"
#include "config/document.h"
#include "config/option_table.h"

namespace noroshi {
namespace {

class ConnectionTable : public OptionTable<ConnectionOptions> {
 public:
  ConnectionTable() : OptionTable("net", "Options of outgoing connections.") {
    using O = ConnectionOptions;
    option("net.connect_timeout", &O::connect_timeout, "10s",
           "Longest time for look-up, connection and TLS handshake.")
        .between("1ms", "1h")
        .last_wins()
        .option("net.io_timeout", &O::io_timeout,
                "Longest time for one write, or for an answer. Default, and for 0: 60 s.")
        .between("", "1h")
        .last_wins()
        .option("net.keepalive", &O::keepalive, "on", "Keep the connection for the next batch.")
        .last_wins()
        .option("net.keepalive_idle_timeout", &O::keepalive_idle_timeout, "30s",
                "A connection idle for longer is not used again.")
        .last_wins()
        .option("net.keepalive_max_recycle", &O::keepalive_max_recycle, "2000",
                "Batches for one connection. 0: no limit.")
        .between("0", "")
        .last_wins()
        .option("net.source_address", &O::source_address, "IP address to connect from.")
        .last_wins();
    ignored("net.dns.*",
            "accepted; names are looked up as the system is configured, with a deadline");
    ignored("net.tcp_keepalive*", "accepted; always on");
    ignored("net.connect_timeout_log_error",
            "accepted; failed attempts are logged once an episode");
    ignored("net.max_worker_connections", "accepted; an output has one connection");
    ignored("net.proxy_env_ignore", "accepted; no proxy is used");
  }
  [[nodiscard]] ConnectionOptions parse(const Section& section, Diagnostics& diagnostics) const {
    ConnectionOptions options;
    parse_known(&options, section, diagnostics);
    if (options.io_timeout <= Nanoseconds(0)) options.io_timeout = kIoTimeout;
    return options;
  }
};

const ConnectionTable& connection_table() {
  static const ConnectionTable table;
  return table;
}

}  // namespace

ConnectionOptions parse_connection_options(const Section& section, Diagnostics& diagnostics) {
  return connection_table().parse(section, diagnostics);
}

std::vector<OptionInfo> with_connection_options(std::vector<OptionInfo> options) {
  const auto& rows = connection_table().options();
  options.insert(options.end(), rows.begin(), rows.end());
  return options;
}

KeptConnection::KeptConnection(StreamAddress address, std::shared_ptr<TlsContext> tls,
                               ConnectionOptions options, const Clock& clock)
    : address_(std::move(address)),
      tls_(std::move(tls)),
      options_(std::move(options)),
      clock_(clock) {
  address_.source_address = options_.source_address;
}

Result<KeptConnection::Opened> KeptConnection::open(Monotonic deadline) {
  const Monotonic now = clock_.monotonic();
  if (client_) {
    const bool idle_too_long = now - last_used_ > options_.keepalive_idle_timeout;
    if (!idle_too_long && client_->reusable()) return Opened{client_.get(), false};
    client_.reset();
  }
  NOROSHI_ASSIGN(client_, StreamClient::connect(
                              address_, tls_, std::min(deadline, now + options_.connect_timeout)));
  uses_ = 0;
  return Opened{client_.get(), true};
}

Status KeptConnection::send(std::string_view bytes, Monotonic deadline) {
  NOROSHI_ASSIGN(const Opened opened, open(deadline));
  Status sent = opened.client->write(bytes, io_deadline(deadline));
  sent ? used() : close();
  return sent;
}

void KeptConnection::used() {
  last_used_ = clock_.monotonic();
  const bool worn_out =
      ++uses_ >= options_.keepalive_max_recycle && options_.keepalive_max_recycle != 0;
  if (!options_.keepalive || worn_out) client_.reset();
}

Monotonic KeptConnection::io_deadline(Monotonic deadline) const {
  return std::min(deadline, clock_.monotonic() + options_.io_timeout);
}

}  // namespace noroshi
