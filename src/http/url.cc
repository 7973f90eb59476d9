#include "http/url.h"

#include <charconv>

namespace noroshi {
namespace {

constexpr size_t kUrlBytesMax = 8192;

bool is_unreserved(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool is_host_character(unsigned char c) { return is_unreserved(c) && c != '~'; }

}  // namespace

std::string Url::authority() const {
  const bool usual = port == 0 || port == (scheme == "https" ? 443 : 80);
  return usual ? host : host + ":" + std::to_string(port);
}

std::string Url::to_string() const {
  std::string result = scheme + "://" + authority() + path;
  if (!query.empty()) result += "?" + query;
  return result;
}

Result<Url> parse_url(std::string_view text) {
  const auto bad = [text](std::string_view why) {
    return fail(ErrorCode::InvalidArgument,
                "'" + std::string(text.substr(0, 200)) + "' is no URL: " + std::string(why));
  };
  if (text.size() > kUrlBytesMax) return bad("too long");
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f)
      return bad("a blank or control character");
  }
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return bad("no scheme");
  Url url;
  url.scheme = to_lower(text.substr(0, scheme_end));
  if (url.scheme != "http" && url.scheme != "https") return bad("neither http nor https");
  std::string_view rest = text.substr(scheme_end + 3);
  if (rest.find('#') != std::string_view::npos) return bad("a fragment");
  const size_t authority_end = rest.find_first_of("/?");
  std::string_view authority = rest.substr(0, authority_end);
  rest = authority_end == std::string_view::npos ? std::string_view() : rest.substr(authority_end);
  if (authority.find('@') != std::string_view::npos) return bad("a user name");

  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos || close < 3) return bad("a broken IPv6 address");
    for (const char c : authority.substr(1, close - 1)) {
      if (hex_value(c) < 0 && c != ':' && c != '.') return bad("a broken IPv6 address");
    }
    url.host = to_lower(authority.substr(0, close + 1));
    port = authority.substr(close + 1);
    if (!port.empty() && port.front() != ':') return bad("text after the IPv6 address");
    if (!port.empty()) port.remove_prefix(1);
  } else {
    const size_t colon = authority.find(':');
    url.host = to_lower(authority.substr(0, colon));
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
    for (const char c : url.host) {
      if (!is_host_character(static_cast<unsigned char>(c))) return bad("a broken host name");
    }
  }
  if (url.host.empty()) return bad("no host");
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc{} || end != port.data() + port.size() || url.port == 0) {
      return bad("a broken port");
    }
  }
  const size_t question = rest.find('?');
  url.path = rest.substr(0, question);
  if (question != std::string_view::npos) url.query = rest.substr(question + 1);
  return url;
}

std::string percent_encode(std::string_view text, bool keep_slash) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_unreserved(byte) || (keep_slash && c == '/')) {
      result += c;
    } else {
      result += '%';
      result += kHex[byte >> 4];
      result += kHex[byte & 15];
    }
  }
  return result;
}

std::string percent_decode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
        hex_value(text[i + 2]) >= 0) {
      result += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

QueryParameters parse_query(std::string_view query) {
  QueryParameters parameters;
  while (!query.empty()) {
    const size_t ampersand = query.find('&');
    const std::string_view pair = query.substr(0, ampersand);
    query = ampersand == std::string_view::npos ? std::string_view() : query.substr(ampersand + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    parameters.emplace_back(
        percent_decode(pair.substr(0, equals)),
        equals == std::string_view::npos ? std::string() : percent_decode(pair.substr(equals + 1)));
  }
  return parameters;
}

std::string encode_query(const QueryParameters& parameters) {
  std::string result;
  for (const auto& [name, value] : parameters) {
    if (!result.empty()) result += '&';
    result += percent_encode(name) + "=" + percent_encode(value);
  }
  return result;
}

}  // namespace noroshi
