// URL pieces, and percent-encoding as RFC 3986 and AWS want it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace noroshi {

struct Url {
  std::string scheme = {};  // "http" or "https"
  std::string host = {};    // lower case, IPv6 in brackets
  uint16_t port = 0;        // 0: the scheme's own
  std::string path = {};    // encoded, begins with '/' or is empty
  std::string query = {};   // encoded, without '?'

  [[nodiscard]] uint16_t effective_port() const {
    return port != 0 ? port : scheme == "https" ? 443 : 80;
  }
  // "host" or "host:port" if the port is not the scheme's own: the Host header.
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] std::string to_string() const;
};

// Absolute http(s) URL. Errors: InvalidArgument with the text. User information and fragments are
// refused.
[[nodiscard]] Result<Url> parse_url(std::string_view text);

// A-Z a-z 0-9 - _ . ~ stay, everything else becomes %XX (upper case); '/' stays if `keep_slash`.
[[nodiscard]] std::string percent_encode(std::string_view text, bool keep_slash = false);
// A '%' that is not followed by two hex digits stays as it is. '+' stays '+'.
[[nodiscard]] std::string percent_decode(std::string_view text);

using QueryParameters = std::vector<std::pair<std::string, std::string>>;
// "a=1&b" → {a,1},{b,""}, decoded.
[[nodiscard]] QueryParameters parse_query(std::string_view query);
// Encoded in the given order; every name is followed by '=' ("uploads=").
[[nodiscard]] std::string encode_query(const QueryParameters& parameters);

}  // namespace noroshi
