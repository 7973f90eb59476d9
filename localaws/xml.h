// The little XML that S3 and STS need: request documents into a tree, text into answers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace noroshi::localaws {

struct XmlElement {
  std::string name = {};  // without namespace prefix
  std::string text = {};  // of this element, entities decoded, not trimmed
  std::vector<XmlElement> children = {};

  [[nodiscard]] const XmlElement* child(std::string_view child_name) const;
  // Text of a child; empty if there is none.
  [[nodiscard]] std::string_view child_text(std::string_view child_name) const;
};

// Elements nest at most kXmlDepthMax deep, and there are at most kXmlElementsMax. Attributes are
// skipped. No DOCTYPE and no entities but the five of XML and &#N;: nothing can expand. nullopt for
// anything else.
inline constexpr int kXmlDepthMax = 16;
inline constexpr size_t kXmlElementsMax = 100'000;
[[nodiscard]] std::optional<XmlElement> parse_xml(std::string_view text);

[[nodiscard]] std::string escape_xml(std::string_view text);
// <name>escaped text</name>
void append_element(std::string& out, std::string_view name, std::string_view text);

}  // namespace noroshi::localaws
