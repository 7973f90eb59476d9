// pattern NUL tag, compared with the recursive reference.
#include "base/check.h"
#include "record/tag_match.h"
#include "record/tag_match_reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 24) return 0;  // the reference is exponential
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(text.find('\0'), size);
  const std::string_view pattern = text.substr(0, end);
  const std::string_view tag = text.substr(std::min(end + 1, size));
  CHECK(noroshi::TagPattern(pattern).matches(tag) == noroshi::tag_matches_reference(pattern, tag),
        "not as the reference");
  return 0;
}
