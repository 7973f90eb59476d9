#include "localaws/xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace noroshi::localaws {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (code >> 6)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (code >> 12)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (code >> 18)));
    out.push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  std::optional<XmlElement> document() {
    if (rest_.find('\0') != std::string_view::npos) return std::nullopt;  // no character of XML
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
    if (!skip_prologue()) return std::nullopt;
    XmlElement root;
    if (!element(root, 0) || !skip_prologue() || !rest_.empty()) return std::nullopt;
    return root;
  }

 private:
  bool eat(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  bool skip_to(std::string_view token) {
    const size_t found = rest_.find(token);
    if (found == std::string_view::npos) return false;
    rest_.remove_prefix(found + token.size());
    return true;
  }

  void skip_space() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(kSpace), rest_.size()));
  }

  // White space, <?…?> and comments around the root.
  bool skip_prologue() {
    for (;;) {
      skip_space();
      if (eat("<?")) {
        if (!skip_to("?>")) return false;
      } else if (eat("<!--")) {
        if (!skip_to("-->")) return false;
      } else {
        return true;
      }
    }
  }

  std::string_view name() {
    const size_t end = std::min(rest_.find_first_of(" \t\r\n/>=<&\"'"), rest_.size());
    const std::string_view full = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return full;
  }

  bool attributes() {
    for (;;) {
      skip_space();
      if (rest_.empty()) return false;
      if (rest_.front() == '>' || rest_.front() == '/') return true;
      if (name().empty()) return false;
      skip_space();
      if (!eat("=")) return false;
      skip_space();
      if (rest_.empty() || (rest_.front() != '"' && rest_.front() != '\'')) return false;
      const std::string_view quote = rest_.substr(0, 1);
      rest_.remove_prefix(1);
      if (!skip_to(quote)) return false;
    }
  }

  bool entity(std::string& out) {
    const size_t end = rest_.find(';');
    if (end == std::string_view::npos || end > 10) return false;
    std::string_view entity_name = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    if (entity_name == "amp") return out.push_back('&'), true;
    if (entity_name == "lt") return out.push_back('<'), true;
    if (entity_name == "gt") return out.push_back('>'), true;
    if (entity_name == "quot") return out.push_back('"'), true;
    if (entity_name == "apos") return out.push_back('\''), true;
    if (!entity_name.starts_with('#')) return false;
    entity_name.remove_prefix(1);
    int base = 10;
    if (entity_name.starts_with('x')) base = 16, entity_name.remove_prefix(1);
    uint32_t code = 0;
    const char* const last = entity_name.data() + entity_name.size();
    const auto [stop, error] = std::from_chars(entity_name.data(), last, code, base);
    if (error != std::errc() || stop != last || code == 0 || code > 0x10FFFF ||
        (code >= 0xD800 && code < 0xE000)) {
      return false;
    }
    append_utf8(out, code);
    return true;
  }

  bool element(XmlElement& out, int depth) {
    if (depth >= kXmlDepthMax || ++elements_ > kXmlElementsMax || !eat("<")) return false;
    const std::string_view full_name = name();
    if (full_name.empty() || full_name.front() == '!' || full_name.front() == '?') return false;
    out.name = std::string(full_name.substr(full_name.find(':') + 1));
    if (!attributes()) return false;
    if (eat("/>")) return true;
    if (!eat(">")) return false;
    for (;;) {
      const size_t text_end = rest_.find_first_of("<&");
      if (text_end == std::string_view::npos) return false;
      out.text.append(rest_.substr(0, text_end));
      rest_.remove_prefix(text_end);
      if (eat("&")) {
        if (!entity(out.text)) return false;
      } else if (eat("</")) {
        if (name() != full_name) return false;
        skip_space();
        return eat(">");
      } else if (eat("<!--")) {
        if (!skip_to("-->")) return false;
      } else if (eat("<![CDATA[")) {
        const size_t end = rest_.find("]]>");
        if (end == std::string_view::npos) return false;
        out.text.append(rest_.substr(0, end));
        rest_.remove_prefix(end + 3);
      } else if (!element(out.children.emplace_back(), depth + 1)) {
        return false;
      }
    }
  }

  std::string_view rest_;
  size_t elements_ = 0;
};

}  // namespace

const XmlElement* XmlElement::child(std::string_view child_name) const {
  const auto found = std::ranges::find(children, child_name, &XmlElement::name);
  return found == children.end() ? nullptr : &*found;
}

std::string_view XmlElement::child_text(std::string_view child_name) const {
  const XmlElement* found = child(child_name);
  return found ? std::string_view(found->text) : std::string_view{};
}

std::optional<XmlElement> parse_xml(std::string_view text) { return Parser(text).document(); }

std::string escape_xml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // XML 1.0 has no other control characters; S3 writes them as references too, and asks
        // clients to use encoding-type=url for such keys.
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("&#x{:x};", static_cast<unsigned>(c));
        } else {
          out.push_back(c);
        }
    }
  }
  return out;
}

void append_element(std::string& out, std::string_view name, std::string_view text) {
  out += fmt::format("<{}>{}</{}>", name, escape_xml(text), name);
}

}  // namespace noroshi::localaws
