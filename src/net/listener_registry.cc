#include "net/listener_registry.h"

#include "base/log.h"

namespace noroshi {

size_t ListenerRegistry::claim(ListenerClaim claim) {
  winner_of_.push_back(claims_.size());
  claims_.push_back(std::move(claim));
  return claims_.size() - 1;
}

bool address_covers(std::string_view wide, std::string_view narrow) {
  if (wide == narrow || wide == "::") return true;
  const bool narrow_is_ipv6 = narrow.find(':') != std::string_view::npos;
  return wide == "0.0.0.0" && !narrow_is_ipv6;
}

std::vector<ListenerConflict> ListenerRegistry::resolve() {
  std::vector<ListenerConflict> conflicts;
  for (size_t narrow = 0; narrow < claims_.size(); ++narrow) {
    if (claims_[narrow].port == 0) continue;
    // The widest address that covers this one; of equals the first in the configuration.
    size_t winner = narrow;
    for (size_t wide = 0; wide < claims_.size(); ++wide) {
      if (wide == narrow || claims_[wide].port != claims_[narrow].port) continue;
      if (!address_covers(claims_[wide].host, claims_[narrow].host)) continue;
      const bool equal = claims_[wide].host == claims_[narrow].host;
      if (equal && wide > narrow) continue;
      const bool wider = address_covers(claims_[wide].host, claims_[winner].host);
      const bool same_as_winner = claims_[wide].host == claims_[winner].host;
      if (wider && (!same_as_winner || wide < winner)) winner = wide;
    }
    winner_of_[narrow] = winner;
    if (winner == narrow) continue;
    const ListenerClaim& loser = claims_[narrow];
    const ListenerClaim& takes = claims_[winner];
    const bool same_kind = loser.kind == takes.kind;
    conflicts.push_back({loser, takes, same_kind});
  }
  return conflicts;
}

}  // namespace noroshi
