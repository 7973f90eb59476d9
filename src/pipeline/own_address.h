// Which hosts are this router itself: what the trap "an output that sends to its own input" asks.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/variables.h"

namespace noroshi {

class OwnAddress {
 public:
  // The loopback and every interface's address, the host's own name, the names /etc/hosts gives to
  // these, FLUENT_HOST, the usual container name of FireLens routers, and `container_names` (in an
  // ECS task they share one network). Asks no name server: files and system calls only.
  explicit OwnAddress(const EnvironmentLookup& environment,
                      const std::vector<std::string>& container_names = {});
  // For tests: just these.
  explicit OwnAddress(std::set<std::string> names) : names_(std::move(names)) {}

  // `host` as a user writes it: a name in any case, an IPv4 or IPv6 address (also in brackets).
  [[nodiscard]] bool is(std::string_view host) const;

 private:
  void add_names_of_hosts_file(const std::string& path);

  std::set<std::string> names_;  // lower case; addresses in their canonical form
};

}  // namespace noroshi
