// What an application writes, cut into lines as Docker cuts it: however it arrives, the same pieces
// come out, every byte is in them, none is larger than a piece, and a line that is cut is numbered
// from one under one id. Input: first byte: the size of what arrives at once; second: how often the
// rest is repeated, as lines of more than 16 KiB are what it is about.
#include <vector>

#include "app/ship/line_splitter.h"
#include "base/check.h"

namespace {

using namespace noroshi;
using namespace noroshi::ship;

struct Kept {
  std::string line, partial_id;
  bool partial, last;
  uint32_t ordinal;
  friend bool operator==(const Kept&, const Kept&) = default;
};

std::vector<Kept> split(std::string_view text, size_t arriving) {
  std::vector<Kept> kept;
  const ManualClock clock;
  int ids = 0;
  LineSplitter splitter(clock, [&] { return std::to_string(++ids); });
  const auto emit = [&](const Piece& piece) {
    kept.push_back({std::string(piece.line), std::string(piece.partial ? piece.partial_id : ""),
                    piece.partial, piece.last, piece.ordinal});
  };
  for (size_t at = 0; at < text.size(); at += arriving)
    splitter.take(text.substr(at, arriving), emit);
  splitter.end(emit);
  uint64_t lines = 0;
  for (const char c : text) lines += c == '\n' ? 1 : 0;
  if (!text.empty() && text.back() != '\n') ++lines;
  CHECK(splitter.lines() == lines, "lines are counted");
  return kept;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string text;
  const std::string_view part(reinterpret_cast<const char*>(data) + 2, size - 2);
  for (unsigned n = 0; n <= data[1] && text.size() < 3 * kPieceBytes; ++n) text += part;
  const std::vector<Kept> whole = split(text, text.size() + 1);
  CHECK(split(text, 1 + size_t{data[0]} * 67) == whole, "what arrives at once makes a difference");
  std::string again;
  uint32_t ordinal = 0;
  for (const Kept& piece : whole) {
    CHECK(piece.line.size() <= kPieceBytes && piece.line.find('\n') == std::string::npos,
          "a piece");
    again += piece.line;
    if (!piece.partial || piece.last) again += '\n';
    CHECK(piece.partial || ordinal == 0, "a line that was begun is not ended");
    if (!piece.partial) continue;
    CHECK(piece.ordinal == ++ordinal && !piece.partial_id.empty(), "numbered from one");
    CHECK(piece.last || piece.line.size() == kPieceBytes || &piece == &whole.back(),
          "a full piece");
    if (piece.last) ordinal = 0;
  }
  CHECK(again == text, "a byte is lost or made up");
  return 0;
}
