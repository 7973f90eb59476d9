// Who we are to a server of the Forward protocol: options that an [OUTPUT] forward and a [NODE] of
// an upstream share.
#pragma once

#include <string>

#include "config/option_table.h"
#include "output/forward/forward_peer.h"

namespace noroshi {

// Base of the options struct of both.
struct PeerSecurityOptions {
  std::string shared_key = {}, self_hostname = {}, username = {}, password = {};
  bool empty_shared_key = false;
};

template <typename Options>
void add_peer_security_options(OptionTable<Options>& table) {
  using Base = PeerSecurityOptions;
  const auto text = [](std::string Base::* member) {
    return static_cast<std::string Options::*>(member);
  };
  table
      .option("shared_key", text(&Base::shared_key),
              "Prove that both know this key, in the protocol's handshake.")
      .last_wins()
      .option("empty_shared_key", static_cast<bool Options::*>(&Base::empty_shared_key), "false",
              "The handshake with an empty key, for the sake of username.")
      .last_wins()
      .option("self_hostname", text(&Base::self_hostname), "localhost",
              "What we call ourselves in the handshake.")
      .last_wins()
      .option("username", text(&Base::username), "For a server with users. Needs shared_key.")
      .last_wins()
      .option("password", text(&Base::password), "Of that user.")
      .last_wins();
}

// Credentials, user and TLS from a section and the options read from it; address and connection are
// the caller's. Problems go to `diagnostics`.
[[nodiscard]] ForwardPeerOptions make_peer_security(const PeerSecurityOptions& given,
                                                    const Section& section,
                                                    Diagnostics& diagnostics);

}  // namespace noroshi
