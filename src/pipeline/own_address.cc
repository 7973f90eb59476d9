#include "pipeline/own_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "config/values.h"

namespace noroshi {
namespace {

// As the AWS examples and CDK's default router call it. In an ECS task the metadata gives the true
// names; these serve `noroshi check` on a laptop.
constexpr std::string_view kUsualContainerNames[] = {"log-router", "log_router", "firelens"};
constexpr size_t kHostsFileLinesMax = 10'000;

std::string text_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
  } else if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
  }
  return text;
}

// One spelling of each address; names in lower case, without the final dot.
std::string canonical(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.ends_with('.')) host.remove_suffix(1);
  std::string name = to_lower(host);
  in6_addr v6;
  in_addr v4;
  char text[INET6_ADDRSTRLEN] = {};
  if (inet_pton(AF_INET6, name.c_str(), &v6) == 1) {
    // ::ffff:127.0.0.1 is 127.0.0.1.
    if (IN6_IS_ADDR_V4MAPPED(&v6)) return inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof(text));
    return inet_ntop(AF_INET6, &v6, text, sizeof(text));
  }
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1)
    return inet_ntop(AF_INET, &v4, text, sizeof(text));
  return name;
}

bool is_loopback(const std::string& canonical_host) {
  in_addr v4;
  if (inet_pton(AF_INET, canonical_host.c_str(), &v4) == 1)
    return (ntohl(v4.s_addr) >> 24) == 127 || v4.s_addr == INADDR_ANY;
  return canonical_host == "::1" || canonical_host == "::" || canonical_host == "localhost" ||
         canonical_host.ends_with(".localhost") || canonical_host == "localhost.localdomain" ||
         canonical_host == "ip6-localhost" || canonical_host == "ip6-loopback";
}

}  // namespace

OwnAddress::OwnAddress(const EnvironmentLookup& environment, ContainerNames container_names) {
  for (const std::string_view name : kUsualContainerNames) names_.emplace(name);
  for (const char* variable : {"FLUENT_HOST", "HOSTNAME"}) {
    if (const auto host = environment(variable); host && !host->empty())
      names_.insert(canonical(*host));
  }
  char host[256] = {};
  if (gethostname(host, sizeof(host) - 1) == 0 && host[0] != '\0') names_.insert(canonical(host));
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) == 0) {
    for (const ifaddrs* entry = interfaces; entry != nullptr; entry = entry->ifa_next) {
      if (entry->ifa_addr == nullptr) continue;
      if (std::string text = text_of(entry->ifa_addr); !text.empty())
        names_.insert(std::move(text));
    }
    freeifaddrs(interfaces);
  }
  add_names_of_hosts_file("/etc/hosts");
  container_names_ = std::move(container_names);
}

void OwnAddress::add_names_of_hosts_file(const std::string& path) {
  std::ifstream file(path);
  size_t lines = 0;
  for (std::string line; lines < kHostsFileLinesMax && std::getline(file, line); ++lines) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string address, name;
    if (!(words >> address) || !is(address)) continue;
    while (words >> name) names_.insert(canonical(name));
  }
}

bool OwnAddress::is(std::string_view host) const {
  const std::string name = canonical(host);
  if (is_loopback(name) || names_.contains(name)) return true;
  if (!container_names_) return false;
  for (const std::string& container : std::exchange(container_names_, {})())
    names_.insert(canonical(container));
  return names_.contains(name);
}

}  // namespace noroshi
