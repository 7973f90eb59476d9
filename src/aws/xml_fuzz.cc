// Answers come from the network: nothing in them may crash the scanner or make it read past the
// end.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "aws/error.h"
#include "aws/xml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto document = noroshi::XmlDocument::parse(text);
  if (document) {
    if (document->root().empty() || !document->find(document->root())) std::abort();
    // What we escape, we read back.
    const std::string value = document->get(document->root());
    const auto again = noroshi::XmlDocument::parse("<a>" + noroshi::xml_escape(value) + "</a>");
    if (!again || again->get("a") != value) std::abort();
  }
  // The same bytes as the body of a refused request: JSON or XML, whatever they look like.
  // Its dates, too, are the sender's.
  const size_t line = std::min(text.find('\n'), text.size());
  noroshi::HttpResponse response{400,
                                 {{"x-amzn-errortype", text.substr(0, 40)},
                                  {"retry-after", text.substr(0, line)},
                                  {"date", text.substr(std::min(line + 1, text.size()), 29)}},
                                 text,
                                 false};
  if (!noroshi::aws_fault(response)) std::abort();
  response.status = 200;
  static_cast<void>(noroshi::aws_fault(response));
  static_cast<void>(noroshi::parse_http_date(text));
  static_cast<void>(noroshi::parse_iso8601(text));
  return 0;
}
