// ListenerRegistry: decides which of several inputs on one TCP port really listens. ECS generates a
// second `forward` on 24224 beside the user's own; two sockets on one port would fail to bind or
// split the clients.
//
// Protocol: every input claims its address when it is made; when all are made, resolve() is called
// once; then each input asks before it binds. Main thread only, no I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace noroshi {

struct ListenerClaim {
  std::string kind = {};   // who speaks on the port: only claims of one kind share it ("forward")
  std::string owner = {};  // for messages: "forward.0", "forward.0 (fluent-bit.conf:12)"
  std::string host = {};   // as configured: "0.0.0.0", "::", "127.0.0.1", "localhost"
  uint16_t port = 0;       // 0: any free one, never shared
};

struct ListenerConflict {
  ListenerClaim claim = {};   // this one does not listen itself …
  ListenerClaim winner = {};  // … because this one covers its address
  // False: they speak different protocols, the configuration is wrong.
  bool same_kind = true;
};

class ListenerRegistry {
 public:
  // Returns the claim's number.
  size_t claim(ListenerClaim claim);

  // For each port: an address that another one covers gives way to it ("::" covers everything,
  // "0.0.0.0" every IPv4 address; of equals the first wins). Different specific addresses are left
  // alone. Each conflict is logged as one warning, and returned; the caller turns those of
  // different kinds into errors.
  std::vector<ListenerConflict> resolve();

  // False if another claim covers it: do not bind, its clients are served there. True before
  // resolve().
  [[nodiscard]] bool listens(size_t claim) const { return winner_of_[claim] == claim; }

 private:
  std::vector<ListenerClaim> claims_;
  std::vector<size_t> winner_of_;
};

// True if a socket bound to `wide` takes the connections to `narrow` (same port): equal, or a
// wildcard.
[[nodiscard]] bool address_covers(std::string_view wide, std::string_view narrow);

}  // namespace noroshi
