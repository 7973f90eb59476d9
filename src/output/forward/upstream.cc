#include "output/forward/upstream.h"

#include <fmt/format.h>

#include <array>

#include "config/config_file.h"
#include "config/diagnostics.h"
#include "config/parse_config.h"
#include "output/forward/peer_security.h"

namespace noroshi {
namespace {

// Fluent Bit reads these of each node; here a batch is encoded once for all of them.
constexpr std::array<std::string_view, 7> kOptionsOfTheOutput = {"require_ack_response",
                                                                 "send_options",
                                                                 "compress",
                                                                 "time_as_integer",
                                                                 "tag",
                                                                 "add_option",
                                                                 "retain_metadata_in_forward_mode"};

struct NodeOptions : PeerSecurityOptions {
  std::string name, host;
  int64_t port = 24224;
};

const OptionTable<NodeOptions>& node_table() {
  using O = NodeOptions;
  static const auto table = [] {
    OptionTable<O> t("node", "One server of an upstream.");
    t.option("name", &O::name, "Name of the node.")
        .required("host", &O::host, "Its address.")
        .option("port", &O::port, "24224", "Its port.")
        .between("1", "65535");
    add_peer_security_options(t);
    for (const OptionInfo& row : with_tls_client_options({})) t.ignored(row.name, row.help);
    for (const std::string_view name : kOptionsOfTheOutput) t.ignored(std::string(name), "");
    return t;
  }();
  return table;
}

bool belongs_to_the_output(const Section& node, Diagnostics& diagnostics) {
  bool good = true;
  for (const std::string_view name : kOptionsOfTheOutput) {
    const Property* const property = node.find(name);
    if (property == nullptr) continue;
    diagnostics.error(property->key_where, fmt::format("\"{}\" holds for all nodes", property->key))
        .help("write it in the [OUTPUT] section that uses this upstream");
    good = false;
  }
  return good;
}

std::vector<const Section*> nodes_of(const Document& document) {
  std::vector<const Section*> nodes = document.find_all(SectionKind::Node);
  for (const Section* upstream : document.find_all(SectionKind::Upstream)) {
    for (const Section& child : upstream->children) {
      if (child.kind == SectionKind::Node) nodes.push_back(&child);
    }
  }
  return nodes;
}

}  // namespace

std::vector<ForwardPeerOptions> read_upstream(const LocatedText& path, const Section& output,
                                              Diagnostics& diagnostics) {
  const std::string beside =
      path.where.source ? directory_of_file(path.where.source->name()) : std::string();
  const auto found = find_config_file(path.text, {"", beside});
  if (!found) {
    diagnostics.error(path.where, "upstream: " + found.error().message);
    return {};
  }
  const size_t errors_before = diagnostics.error_count();
  const Document document = parse_config_file(*found, diagnostics);
  if (diagnostics.error_count() != errors_before) return {};
  const std::vector<const Section*> nodes = nodes_of(document);
  if (nodes.empty()) {
    diagnostics.error(path.where, fmt::format("upstream: {} has no [NODE]", *found))
        .help("a node has name, host and port");
    return {};
  }
  if (nodes.size() > kUpstreamNodesMax) {
    diagnostics.error(nodes[kUpstreamNodesMax]->where,
                      fmt::format("upstream: more than {} nodes", kUpstreamNodesMax));
    return {};
  }
  std::vector<ForwardPeerOptions> peers;
  for (const Section* node : nodes) {
    const NodeOptions options = node_table().parse(*node, diagnostics);
    (void)belongs_to_the_output(*node, diagnostics);
    ForwardPeerOptions peer = make_peer_security(options, *node, diagnostics);
    peer.address = {.host = options.host, .port = static_cast<uint16_t>(options.port)};
    peer.connection = parse_connection_options(output, diagnostics);
    peers.push_back(std::move(peer));
  }
  if (diagnostics.error_count() != errors_before) return {};
  return peers;
}

}  // namespace noroshi
