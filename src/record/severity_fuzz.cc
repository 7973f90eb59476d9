// Any line through the plain-text rule: no read out of bounds, and only the beginning of the first
// line counts.
#include "base/check.h"
#include "record/severity.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto severity = severity_of_line(line);
  const std::string_view first = line.substr(0, std::min(line.find('\n'), size));
  CHECK(severity_of_line(first) == severity, "later lines do not count");
  CHECK(!severity || *severity >= Severity::Trace, "a level or nothing");
  static_cast<void>(parse_severity(line));
  static_cast<void>(is_severity_key(line));
  return 0;
}
