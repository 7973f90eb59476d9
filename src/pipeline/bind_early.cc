#include "pipeline/bind_early.h"

#include <charconv>
#include <optional>

#include "net/early_sockets.h"
#include "net/listener_registry.h"

namespace noroshi {
namespace {

std::optional<uint16_t> port_of(const Section& section, uint16_t otherwise) {
  const std::string_view text = section.value("port");
  if (text.empty()) return otherwise;
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  // Port 0 is any free one: nobody could know it before the input says it.
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace

size_t bind_early(const Document& document) {
  EarlySockets& sockets = EarlySockets::of_process();
  ListenerRegistry registry;
  std::vector<ListenerClaim> claims;
  for (const Section* section : document.find_all(SectionKind::Input)) {
    const std::string plugin = section->plugin();
    if (plugin != "forward" && plugin != "tcp") continue;
    const std::string path(section->value("unix_path"));
    // No error is lost: the input binds the same address again and reports it.
    if (!path.empty()) static_cast<void>(sockets.listen_unix(path));
    const std::string host(section->value("listen"));
    if (!path.empty() && host.empty() && section->value("port").empty()) continue;
    const auto port = port_of(*section, plugin == "forward" ? 24224 : 5170);
    if (!port) continue;
    claims.push_back({plugin, plugin, host.empty() ? "0.0.0.0" : host, *port});
    registry.claim(claims.back());
  }
  registry.resolve();
  for (size_t i = 0; i < claims.size(); ++i) {
    if (registry.listens(i)) static_cast<void>(sockets.listen_tcp(claims[i].host, claims[i].port));
  }
  return sockets.size();
}

}  // namespace noroshi
