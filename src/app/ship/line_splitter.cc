#include "app/ship/line_splitter.h"

#include <algorithm>

namespace noroshi::ship {

void LineSplitter::take(std::string_view bytes, const Emit& emit) {
  while (!bytes.empty()) {
    const size_t newline = bytes.find('\n');
    const size_t available = newline == std::string_view::npos ? bytes.size() : newline;
    const size_t room = kPieceBytes - held_.size();
    if (newline != std::string_view::npos && available < room) {  // a whole line that fits
      if (held_.empty()) {
        emit_line(bytes.substr(0, newline), emit);
      } else {
        held_.append(bytes.substr(0, newline));
        emit_line(held_, emit);
        held_.clear();
      }
      bytes.remove_prefix(newline + 1);
      continue;
    }
    // No newline within the first 16 KiB of this piece: a full one goes out without it.
    const size_t taken = std::min(available, room);
    held_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    if (held_.size() == kPieceBytes) {
      emit_piece(held_, emit);
      held_.clear();
    }
  }
}

void LineSplitter::end(const Emit& emit) {
  const bool unfinished = !held_.empty() || ordinal_ != 0;
  if (!held_.empty()) emit_piece(held_, emit);
  held_.clear();
  ordinal_ = 0;
  if (unfinished) ++lines_;
}

void LineSplitter::emit_line(std::string_view line, const Emit& emit) {
  ++lines_;
  if (ordinal_ == 0) {
    emit({.line = line, .time = clock_.wall()});
    return;
  }
  emit({line, partial_time_, true, partial_id_, ordinal_, true});
  ordinal_ = 0;
}

void LineSplitter::emit_piece(std::string_view piece, const Emit& emit) {
  if (ordinal_ == 0) {
    partial_time_ = clock_.wall();
    partial_id_ = make_id_();
    ordinal_ = 1;
  }
  emit({piece, partial_time_, true, partial_id_, ordinal_, false});
  ++ordinal_;
}

}  // namespace noroshi::ship
