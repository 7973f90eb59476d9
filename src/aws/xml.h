// The small part of XML that S3 and STS answer in: elements and text. A bounded scanner, not a
// general parser: attributes are skipped, namespace prefixes dropped, a DOCTYPE refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace noroshi {

class XmlDocument {
 public:
  // Errors: Corrupt (not well-formed, a DOCTYPE, deeper than 32 elements, more than 20,000
  // elements).
  [[nodiscard]] static Result<XmlDocument> parse(std::string_view text);

  // Name of the outermost element.
  [[nodiscard]] const std::string& root() const { return root_; }
  // Text of the first element at that path from the root: "Error/Code".
  [[nodiscard]] std::optional<std::string> find(std::string_view path) const;
  // find(), with an empty answer for a missing element.
  [[nodiscard]] std::string get(std::string_view path) const { return find(path).value_or(""); }

 private:
  struct Element {
    std::string path;
    std::string text;  // entities resolved, of this element alone
  };
  std::string root_;
  std::vector<Element> elements_;  // in the order they begin
};

// Text with & < > " ' escaped, for the bodies we send.
[[nodiscard]] std::string xml_escape(std::string_view text);

}  // namespace noroshi
