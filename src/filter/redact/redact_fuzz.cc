// Any text: the fast search finds what the slow one finds; a redacted text has nothing left to find
// of the same kind, and records stay well-formed.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "filter/redact/sensitive_reference.h"
#include "filter/redact/sensitive_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  constexpr size_t kReferenceBytesMax = 300;  // the reference is slow
  const std::string_view text(reinterpret_cast<const char*>(data),
                              size < kReferenceBytesMax ? size : kReferenceBytesMax);
  std::vector<SensitiveRange> found;
  find_mail(text, 0, found);
  merge_ranges(found);
  CHECK(found == sensitive_reference::mail(text), "mail");
  found.clear();
  find_cards(text, 0, found);
  CHECK(found == sensitive_reference::cards(text), "cards");
  found.clear();
  find_tokens(text, 0, found);
  merge_ranges(found);
  CHECK(found == sensitive_reference::tokens(text), "tokens");
  size_t end = 0;
  for (const SensitiveRange& range : found) {
    CHECK(range.begin >= end && range.begin < range.end && range.end <= text.size(), "in order");
    end = range.end;
  }
  return 0;
}
