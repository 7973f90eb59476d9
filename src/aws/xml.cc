#include "aws/xml.h"

#include <charconv>

namespace noroshi {
namespace {

constexpr size_t kDepthMax = 32;
constexpr size_t kElementsMax = 20'000;

std::unexpected<Error> bad(std::string_view why) {
  return fail(ErrorCode::Corrupt, "XML: " + std::string(why));
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// `name` is what stands between '&' and ';'. False for an entity nobody declared.
bool append_entity(std::string& out, std::string_view name) {
  if (name == "amp") return out += '&', true;
  if (name == "lt") return out += '<', true;
  if (name == "gt") return out += '>', true;
  if (name == "quot") return out += '"', true;
  if (name == "apos") return out += '\'', true;
  if (!name.starts_with('#')) return false;
  name.remove_prefix(1);
  const bool hex = name.starts_with('x');
  if (hex) name.remove_prefix(1);
  uint32_t code = 0;
  const auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), code, hex ? 16 : 10);
  if (error != std::errc{} || end != name.data() + name.size() || code == 0 || code > 0x10FFFF ||
      (code >= 0xD800 && code <= 0xDFFF)) {
    return false;
  }
  append_utf8(out, code);
  return true;
}

Status append_text(std::string& out, std::string_view raw) {
  while (!raw.empty()) {
    const size_t ampersand = raw.find('&');
    out.append(raw.substr(0, ampersand));
    if (ampersand == std::string_view::npos) break;
    const size_t semicolon = raw.find(';', ampersand);
    if (semicolon == std::string_view::npos ||
        !append_entity(out, raw.substr(ampersand + 1, semicolon - ampersand - 1))) {
      return bad("an unknown entity");
    }
    raw = raw.substr(semicolon + 1);
  }
  return {};
}

std::string_view local_name(std::string_view tag) {
  size_t end = 0;
  while (end < tag.size() && !is_blank(tag[end]) && tag[end] != '/') ++end;
  std::string_view name = tag.substr(0, end);
  if (const size_t colon = name.find(':'); colon != std::string_view::npos) {
    name = name.substr(colon + 1);
  }
  return name;
}

// Position of the '>' that ends a tag, quotes respected.
size_t tag_end(std::string_view text, size_t from) {
  char quote = '\0';
  for (size_t i = from; i < text.size(); ++i) {
    if (quote != '\0') {
      if (text[i] == quote) quote = '\0';
    } else if (text[i] == '"' || text[i] == '\'') {
      quote = text[i];
    } else if (text[i] == '>') {
      return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

Result<XmlDocument> XmlDocument::parse(std::string_view text) {
  XmlDocument document;
  std::vector<size_t> open;  // indexes into elements_
  bool closed = false;       // the root has ended
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const auto skip_past = [&](std::string_view end) {
    const size_t at = text.find(end);
    if (at == std::string_view::npos) return false;
    text.remove_prefix(at + end.size());
    return true;
  };
  while (!text.empty()) {
    const size_t less = text.find('<');
    const std::string_view raw = text.substr(0, less);
    if (open.empty()) {
      for (const char c : raw) {
        if (!is_blank(c)) return bad("text outside the root element");
      }
    } else {
      NOROSHI_TRY(append_text(document.elements_[open.back()].text, raw));
    }
    if (less == std::string_view::npos) break;
    text.remove_prefix(less);
    if (text.starts_with("<?")) {
      if (!skip_past("?>")) return bad("a processing instruction without end");
    } else if (text.starts_with("<!--")) {
      if (!skip_past("-->")) return bad("a comment without end");
    } else if (text.starts_with("<![CDATA[")) {
      if (open.empty()) return bad("CDATA outside the root element");
      const size_t end = text.find("]]>");
      if (end == std::string_view::npos) return bad("CDATA without end");
      document.elements_[open.back()].text.append(text.substr(9, end - 9));
      text.remove_prefix(end + 3);
    } else if (text.starts_with("<!")) {
      return bad("a document type, which no AWS answer has");
    } else {
      const size_t end = tag_end(text, 1);
      if (end == std::string_view::npos) return bad("a tag without end");
      std::string_view tag = text.substr(1, end - 1);
      text.remove_prefix(end + 1);
      if (tag.starts_with('/')) {
        tag.remove_prefix(1);
        const std::string_view name = local_name(tag);
        if (open.empty()) return bad("an end tag without start");
        const std::string& path = document.elements_[open.back()].path;
        const size_t slash = path.rfind('/');
        if (std::string_view(path).substr(slash == std::string::npos ? 0 : slash + 1) != name) {
          return bad("an end tag that does not match");
        }
        open.pop_back();
        closed = open.empty();
        continue;
      }
      const std::string name(local_name(tag));
      if (name.empty()) return bad("a tag without name");
      if (closed) return bad("two root elements");
      if (open.size() >= kDepthMax) return bad("nested too deep");
      if (document.elements_.size() >= kElementsMax) return bad("too many elements");
      if (open.empty()) document.root_ = name;
      document.elements_.push_back(
          {open.empty() ? name : document.elements_[open.back()].path + "/" + name, {}});
      if (tag.ends_with('/')) {
        closed = open.empty();
      } else {
        open.push_back(document.elements_.size() - 1);
      }
    }
  }
  if (!open.empty() || !closed) return bad("it ends early");
  return document;
}

std::optional<std::string> XmlDocument::find(std::string_view path) const {
  for (const Element& element : elements_) {
    if (element.path == path) return element.text;
  }
  return std::nullopt;
}

std::string xml_escape(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&apos;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

}  // namespace noroshi
