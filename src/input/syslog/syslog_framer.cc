#include "input/syslog/syslog_framer.h"

#include <algorithm>
#include <utility>

#include "record/ascii.h"

namespace noroshi::syslog {
namespace {

constexpr std::string_view kPiece =
    "a message is longer than buffer_max_size; it becomes several records";
constexpr std::string_view kNotCounted = "a message does not begin with its length";
constexpr std::string_view kCut = "it ended in the middle of a counted message";
constexpr std::string_view kEnds{"\n\0", 2};
constexpr size_t kDigitsMax = 9;  // of a length

bool is_end(char c) { return c == '\n' || c == '\0'; }

}  // namespace

SyslogFramer::Head SyslogFramer::read_head(std::string_view bytes, bool end) const {
  if (framing_ == Framing::Newline) return {};
  const bool strict = framing_ == Framing::OctetCounted;
  Head head;
  size_t at = 0;
  while (at < bytes.size() && at <= kDigitsMax && is_digit(bytes[at])) {
    head.message = head.message * 10 + static_cast<size_t>(bytes[at++] - '0');
  }
  if (at == 0 || at > kDigitsMax) return {};
  const size_t wanted = at + (strict ? 1 : 2);
  if (bytes.size() < wanted && !end) {
    return {.is =
                at == bytes.size() || bytes[at] == ' ' ? Head::Is::Unknown : Head::Is::NotCounted};
  }
  if (bytes.size() < wanted || bytes[at] != ' ') return {};
  if (!strict && bytes[at + 1] != '<') return {};
  head.is = Head::Is::Counted;
  head.size = at + 1;
  return head;
}

Found SyslogFramer::next_counted(std::string_view bytes, bool end) {
  const size_t piece = std::min(left_, bytes_max_);
  if (bytes.size() < piece && !end) return {};
  if (bytes.empty()) return left_ = 0, Found{};
  Found found{.kind = Found::Kind::Message, .bytes = std::min(piece, bytes.size())};
  found.message = bytes.substr(0, found.bytes);
  if (found.bytes < piece) {
    found.problem = kCut;
    left_ = 0;
  } else {
    if (left_ > piece) found.problem = kPiece;
    left_ -= piece;
  }
  return found;
}

Found SyslogFramer::next_line(std::string_view bytes, bool end) {
  const size_t at = bytes.find_first_of(kEnds, scanned_);
  Found found{.kind = Found::Kind::Message};
  if (at != std::string_view::npos && at <= bytes_max_) {
    found.bytes = at + 1;
    found.message = bytes.substr(0, at);
  } else if (bytes.size() > bytes_max_) {
    scanned_ = 0;
    in_line_ = true;  // what follows is no message of its own
    return {.kind = Found::Kind::Message,
            .bytes = bytes_max_,
            .message = bytes.substr(0, bytes_max_),
            .problem = kPiece};
  } else if (end) {
    found.bytes = bytes.size();
    found.message = bytes;
  } else {
    scanned_ = bytes.size();
    in_line_ = true;
    return {};
  }
  scanned_ = 0;
  in_line_ = false;
  if (found.message.ends_with('\r')) found.message.remove_suffix(1);
  if (std::exchange(skipping_line_, false) || found.message.empty()) {
    found = {.kind = Found::Kind::Skipped, .bytes = found.bytes};
  }
  return found;
}

Found SyslogFramer::next(std::string_view bytes, bool end) {
  if (left_ != 0) return next_counted(bytes, end);
  size_t front = 0;
  Found found;
  if (!in_line_ && !skipping_line_) {
    while (front < bytes.size() && (is_end(bytes[front]) || bytes[front] == '\r')) ++front;
    bytes.remove_prefix(front);
    if (bytes.empty()) return {.bytes = front};
    const Head head = read_head(bytes, end);
    if (head.is == Head::Is::Unknown) return {.bytes = front};
    if (head.is == Head::Is::Counted) {
      left_ = head.message;
      bytes.remove_prefix(head.size);
      front += head.size;
      if (left_ == 0) return {.kind = Found::Kind::Skipped, .bytes = front};
      found = next_counted(bytes, end);
      found.bytes += front;
      return found;
    }
    if (framing_ == Framing::OctetCounted) {
      skipping_line_ = true;
      return {.kind = Found::Kind::Skipped, .bytes = front, .problem = kNotCounted};
    }
  }
  if (bytes.empty()) {  // the end, right behind a piece of a long line
    in_line_ = skipping_line_ = false;
    scanned_ = 0;
    return {.bytes = front};
  }
  found = next_line(bytes, end);
  found.bytes += front;
  return found;
}

Found DatagramFramer::next(std::string_view bytes, bool) {
  Found found{.bytes = bytes.size(), .message = bytes};
  while (!found.message.empty() && (is_end(found.message.back()) || found.message.back() == '\r')) {
    found.message.remove_suffix(1);
  }
  if (!found.message.empty()) found.kind = Found::Kind::Message;
  return found;
}

}  // namespace noroshi::syslog
