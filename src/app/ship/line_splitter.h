// LineSplitter: bytes of one stream to log lines, cut as Docker's copier cuts them (moby,
// daemon/logger/copier.go), because that is what the router behind it must put together again:
//
// - a line of more than 16 KiB becomes pieces of 16,384 bytes with one id, counted from 1, all with
//   the time of the first; the one that ends with the newline is the last (and may be empty);
// - at the end of the stream a line without newline is a piece as well, and never a last one;
// - only "\n" ends a line; "\r" and bytes that are not UTF-8 stay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace noroshi::ship {

inline constexpr size_t kPieceBytes = 16 * 1024;

struct Piece {
  std::string_view line = {};  // without the newline; valid during the call
  Timestamp time = {};
  bool partial = false;
  std::string_view partial_id = {};  // 64 hexadecimal digits
  uint32_t ordinal = 0;
  bool last = false;
};

class LineSplitter {
 public:
  using Emit = std::function<void(const Piece&)>;
  // `make_id` gives a fresh partial_id.
  LineSplitter(const Clock& clock, std::function<std::string()> make_id)
      : clock_(clock), make_id_(std::move(make_id)) {}

  void take(std::string_view bytes, const Emit& emit);
  // The stream has ended.
  void end(const Emit& emit);

  // Lines so far: newlines, and one for an unfinished line at the end.
  [[nodiscard]] uint64_t lines() const { return lines_; }

 private:
  void emit_line(std::string_view line, const Emit& emit);
  void emit_piece(std::string_view piece, const Emit& emit);

  const Clock& clock_;
  std::function<std::string()> make_id_;
  std::string held_;  // of the current line, at most kPieceBytes
  std::string partial_id_;
  Timestamp partial_time_{};
  uint32_t ordinal_ = 0;  // of the next piece; 0: the current line has none yet
  uint64_t lines_ = 0;
};

}  // namespace noroshi::ship
