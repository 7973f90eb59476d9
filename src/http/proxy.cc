#include "http/proxy.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <span>

#include "base/base64.h"
#include "http/http_client.h"

namespace noroshi {
namespace {

constexpr uint16_t kDefaultPort = 1080;  // curl's

struct Address {
  std::array<unsigned char, 16> bytes = {};
  size_t size = 0;  // 4, 16; 0: no address
};

Address parse_address(std::string_view text) {
  const std::string copy(text);
  Address address;
  if (::inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) {
    address.size = 4;
  } else if (::inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) {
    address.size = 16;
  }
  return address;
}

bool same_network(const Address& a, const Address& b, unsigned bits) {
  if (a.size != b.size || bits > a.size * 8) return false;
  for (size_t i = 0; i < a.size && bits > 0; ++i) {
    const unsigned here = std::min(bits, 8U);
    const unsigned mask = 0xff00U >> here & 0xffU;
    if ((a.bytes[i] & mask) != (b.bytes[i] & mask)) return false;
    bits -= here;
  }
  return true;
}

std::string_view without_brackets(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) return host.substr(1, host.size() - 2);
  return host;
}

bool entry_names(std::string_view entry, std::string_view host) {
  if (entry == "*") return true;
  const Address address = parse_address(host);
  if (address.size != 0) {
    const size_t slash = entry.find('/');
    const Address network = parse_address(without_brackets(entry.substr(0, slash)));
    if (network.size == 0) return false;
    unsigned bits = static_cast<unsigned>(network.size) * 8;
    if (slash != std::string_view::npos) {
      const std::string_view text = entry.substr(slash + 1);
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
      if (error != std::errc{} || end != text.data() + text.size()) return false;
    }
    return same_network(address, network, bits);
  }
  while (entry.starts_with('.')) entry.remove_prefix(1);
  if (entry.ends_with('.')) entry.remove_suffix(1);
  if (host.ends_with('.')) host.remove_suffix(1);
  if (entry.empty() || entry.size() > host.size()) return false;
  const size_t before = host.size() - entry.size();
  return equal_ignoring_case(host.substr(before), entry) &&
         (before == 0 || host[before - 1] == '.');
}

std::optional<std::pair<std::string, std::string>> first_set(std::span<const char* const> names,
                                                             const GetVariable& get) {
  for (const char* name : names) {
    if (std::string value = get(name); !value.empty()) return std::pair{name, std::move(value)};
  }
  return std::nullopt;
}

}  // namespace

Result<Proxy> parse_proxy(std::string_view text) {
  Proxy proxy;
  const size_t scheme_end = text.find("://");
  const std::string_view scheme = text.substr(0, scheme_end);
  if (scheme_end != std::string_view::npos) {
    if (!equal_ignoring_case(scheme, "http")) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("a proxy is spoken to in http://, not in {}://", scheme));
    }
    text.remove_prefix(scheme_end + 3);
  }
  text = text.substr(0, text.find('/'));
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = text.substr(0, at);
    text.remove_prefix(at + 1);
    const size_t colon = user.find(':');
    std::string credentials = percent_decode(user.substr(0, colon)) + ":";
    if (colon != std::string_view::npos) credentials += percent_decode(user.substr(colon + 1));
    proxy.authorization = "Basic ";
    append_base64(proxy.authorization, credentials);
  }
  const Result<Url> url = parse_url("http://" + std::string(text));
  if (!url) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' is not host:port of a proxy", text.substr(0, 200)));
  }
  proxy.host = without_brackets(url->host);
  proxy.port = url->port != 0 ? url->port : kDefaultPort;
  return proxy;
}

bool is_excluded_from_proxy(std::string_view host, std::string_view no_proxy) {
  while (!no_proxy.empty()) {
    const size_t end = no_proxy.find_first_of(", \t");
    const std::string_view entry = no_proxy.substr(0, end);
    no_proxy = end == std::string_view::npos ? std::string_view() : no_proxy.substr(end + 1);
    if (!entry.empty() && entry_names(entry, host)) return true;
  }
  return false;
}

Result<std::optional<Proxy>> proxy_of_environment(const Url& url, const GetVariable& get) {
  static constexpr std::array kHttp = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
  static constexpr std::array kHttps = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
  static constexpr std::array kNone = {"no_proxy", "NO_PROXY"};
  const auto given = first_set(url.scheme == "https" ? kHttps : kHttp, get);
  if (!given) return std::nullopt;
  const auto none = first_set(kNone, get);
  if (none && is_excluded_from_proxy(without_brackets(url.host), none->second)) return std::nullopt;
  Result<Proxy> proxy = parse_proxy(given->second);
  if (!proxy) return std::unexpected(std::move(proxy.error()).with_context(given->first));
  return *std::move(proxy);
}

}  // namespace noroshi
