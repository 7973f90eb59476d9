// For tests and fuzzing: what a framer finds in a stream that arrives in pieces.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "input/message.h"

namespace noroshi {

// The messages in `text`, which comes `piece` bytes at a time; `problems`, if wanted, is raised by
// what it complains about.
inline std::vector<std::string> framed_messages(Framer& framer, std::string_view text, size_t piece,
                                                size_t* problems = nullptr) {
  std::vector<std::string> out;
  std::string held;
  const auto drain = [&](bool end) {
    for (;;) {
      const Found found = framer.next(held, end);
      CHECK(found.bytes <= held.size(), "it took more than there was");
      if (found.kind == Found::Kind::Message) out.emplace_back(found.message);
      if (problems != nullptr && !found.problem.empty()) ++*problems;
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

}  // namespace noroshi
