// Which proxy a request goes through: the option's, or HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the
// environment, read as curl and the AWS SDKs read them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/url.h"

namespace noroshi {

// Spoken to in clear HTTP; TLS to the destination goes through it (CONNECT).
struct Proxy {
  std::string host = {};  // IPv6 without brackets
  uint16_t port = 0;
  std::string authorization = {};  // value of Proxy-Authorization; empty: none
};

// "http://user:password@host:port"; the scheme, the user and the port (1080, as curl) may be
// missing. InvalidArgument never shows the password.
[[nodiscard]] Result<Proxy> parse_proxy(std::string_view text);

using GetVariable = std::function<std::string(const char* name)>;  // empty: not set

// For a request to `url`; nullopt: no proxy. Small letters come first: https_proxy, HTTPS_PROXY,
// all_proxy, ALL_PROXY. Errors name the variable.
[[nodiscard]] Result<std::optional<Proxy>> proxy_of_environment(const Url& url,
                                                                const GetVariable& get);

// True if NO_PROXY's list names `host` (no brackets): by name, by domain ("example.com" and
// ".example.com" mean all below it too), by address, by network ("10.0.0.0/8"), or "*".
[[nodiscard]] bool is_excluded_from_proxy(std::string_view host, std::string_view no_proxy);

}  // namespace noroshi
