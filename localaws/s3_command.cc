#include "localaws/s3_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace noroshi::localaws {
namespace {

constexpr int64_t kPageMax = 1000;
constexpr std::string_view kXmlns = "http://s3.amazonaws.com/doc/2006-03-01/";

}  // namespace

std::string text_parameter(const S3Command& command, std::string_view name) {
  const std::string* value = find_parameter(command.query, name);
  return value ? *value : std::string();
}

Answer<int64_t> page_size(const S3Command& command, std::string_view name) {
  const std::string* text = find_parameter(command.query, name);
  if (text == nullptr) return kPageMax;
  const auto value = parse_number(*text);
  if (!value) {
    return refuse(400, "InvalidArgument",
                  fmt::format("Provided {} not an integer or within integer range", name));
  }
  return std::min(*value, kPageMax);
}

std::optional<int64_t> parse_number(std::string_view text) {
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size() || value < 0) {
    return std::nullopt;
  }
  return value;
}

std::unexpected<AwsError> malformed_xml() {
  return refuse(400, "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our "
                "published schema");
}

ServerResponse xml_response(std::string_view root, std::string_view content) {
  return {
      .headers = {{"Content-Type", "application/xml"}},
      .body = fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{} xmlns=\"{}\">{}</{}>",
                          root, kXmlns, content, root)};
}

std::string in_quotes(std::string_view etag) { return fmt::format("\"{}\"", etag); }

}  // namespace noroshi::localaws
