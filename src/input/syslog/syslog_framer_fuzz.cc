// Syslog streams cut anywhere give the same messages. First byte: framing and the size of pieces.
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "input/syslog/syslog_framer.h"

namespace {

std::vector<std::string> messages(noroshi::syslog::Framing framing, std::string_view text,
                                  size_t piece) {
  using namespace noroshi;
  syslog::SyslogFramer framer(framing, 32);
  std::vector<std::string> out;
  std::string held;
  const auto drain = [&](bool end) {
    for (;;) {
      const Found found = framer.next(held, end);
      CHECK(found.bytes <= held.size(), "it took more than there was");
      if (found.kind == Found::Kind::Message) {
        CHECK(found.message.size() <= 32, "longer than the limit");
        out.emplace_back(found.message);
      }
      held.erase(0, found.bytes);
      if (found.kind == Found::Kind::Incomplete) return;
    }
  };
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    held += text.substr(0, piece);
    drain(false);
  }
  drain(true);
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
