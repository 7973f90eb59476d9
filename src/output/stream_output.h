// What outputs over one TCP or TLS connection share: whose server it is, their options for it, and
// one attempt to deliver.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/option_table.h"
#include "net/kept_connection.h"
#include "output/output.h"

namespace noroshi {

struct OutputContext;

// Base of their options.
struct ServerOptions {
  std::string host = {};
  int64_t port = 0;
};

template <typename Options>
OptionTable<Options>& add_server_options(OptionTable<Options>& table, const std::string& port) {
  using Base = ServerOptions;
  return table
      .option("host", static_cast<std::string Options::*>(&Base::host), "127.0.0.1", "Server.")
      .last_wins()
      .option("port", static_cast<int64_t Options::*>(&Base::port), port, "Its port.")
      .between("1", "65535")
      .last_wins();
}

// `options` with the rows of the `tls…` and `net.…` options behind them, for --help and the README.
[[nodiscard]] std::vector<OptionInfo> with_stream_options(std::vector<OptionInfo> options);

// A connection to that server, by the section's `net.…` options. `tls`: null for plain TCP.
[[nodiscard]] KeptConnection make_stream_connection(const ServerOptions& server,
                                                    std::shared_ptr<TlsContext> tls,
                                                    const Section& section,
                                                    const OutputContext& context,
                                                    Diagnostics& diagnostics);

// One attempt: what the system has taken is delivered. Denied (a certificate) may be repaired from
// outside and is tried again slowly.
[[nodiscard]] Delivery deliver_bytes(KeptConnection& connection, std::string_view bytes,
                                     Monotonic deadline);

}  // namespace noroshi
