#include "output/forward/peer_security.h"

#include "config/diagnostics.h"
#include "config/document.h"

namespace noroshi {

ForwardPeerOptions make_peer_security(const PeerSecurityOptions& given, const Section& section,
                                      Diagnostics& diagnostics) {
  ForwardPeerOptions peer;
  if (section.find("shared_key") != nullptr && given.shared_key.empty()) {
    diagnostics.error(section.where_of("shared_key"), "shared_key is empty")
        .help("is its variable set? For a handshake without a key write \"empty_shared_key true\"");
  } else if (!given.shared_key.empty() && given.empty_shared_key) {
    diagnostics
        .error(section.where_of("empty_shared_key"),
               "shared_key and empty_shared_key contradict each other")
        .help("remove one of them");
  }
  if (!given.shared_key.empty() || given.empty_shared_key) {
    peer.credentials = forward::Credentials{given.shared_key, given.self_hostname};
    peer.user = {given.username, given.password};
  } else if (!given.username.empty() || !given.password.empty()) {
    diagnostics
        .error(section.where_of(given.username.empty() ? "password" : "username"),
               "username and password need shared_key as well")
        .help("they are part of its handshake; set shared_key, or empty_shared_key true");
  }
  peer.tls = make_tls_client(section, diagnostics);
  return peer;
}

}  // namespace noroshi
