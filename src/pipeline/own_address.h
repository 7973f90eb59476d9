// Which hosts are this router itself: what the trap "an output that sends to its own input" asks.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/variables.h"

namespace noroshi {

class OwnAddress {
 public:
  using ContainerNames = std::function<std::vector<std::string>()>;

  // The loopback and every interface's address, the host's own name, the names /etc/hosts gives to
  // these, FLUENT_HOST, and the usual container name of FireLens routers: files and system calls
  // only, no name server. `container_names` gives the names in our ECS task, which share one
  // network; it is asked once, for a host that is none of the others.
  explicit OwnAddress(const EnvironmentLookup& environment, ContainerNames container_names = {});

  // `host` as a user writes it: a name in any case, an IPv4 or IPv6 address (also in brackets).
  [[nodiscard]] bool is(std::string_view host) const;

 private:
  void add_names_of_hosts_file(const std::string& path);

  // Lower case; addresses in their canonical form.
  mutable std::set<std::string> names_;
  mutable ContainerNames container_names_;  // empty once asked
};

}  // namespace noroshi
