// Syslog streams cut anywhere give the same messages. First byte: framing and the size of pieces.
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "input/framed_messages.h"
#include "input/syslog/syslog_framer.h"

namespace {

std::vector<std::string> messages(noroshi::syslog::Framing framing, std::string_view text,
                                  size_t piece) {
  using namespace noroshi;
  constexpr size_t kMessageMax = 32;
  syslog::SyslogFramer framer(framing, kMessageMax);
  const auto out = framed_messages(framer, text, piece);
  for (const std::string& message : out)
    CHECK(message.size() <= kMessageMax, "longer than the limit");
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto framing = static_cast<noroshi::syslog::Framing>(data[0] % 3);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  CHECK(messages(framing, text, 1 + data[0] / 3 % 40) == messages(framing, text, size),
        "pieces make a difference");
  return 0;
}
