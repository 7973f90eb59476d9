#include "input/line_messages.h"

#include <algorithm>

#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

constexpr std::string_view kPiece = "a line is longer than the limit; it becomes several records";

}  // namespace

Found SeparatorFramer::next(std::string_view bytes, bool end) {
  size_t front = 0;
  if (scanned_ == 0) {
    while (bytes.substr(front).starts_with(separator_)) front += separator_.size();
  }
  const std::string_view rest = bytes.substr(front);
  const size_t at = rest.find(separator_, scanned_);
  if (at != std::string_view::npos && at <= bytes_max_) {
    scanned_ = 0;
    return {.kind = Found::Kind::Message,
            .bytes = front + at + separator_.size(),
            .message = rest.substr(0, at)};
  }
  if (rest.size() > bytes_max_) {
    scanned_ = 0;
    return {.kind = Found::Kind::Message,
            .bytes = front + bytes_max_,
            .message = rest.substr(0, bytes_max_),
            .problem = kPiece};
  }
  if (end && !rest.empty()) {
    scanned_ = 0;
    return {.kind = Found::Kind::Message, .bytes = bytes.size(), .message = rest};
  }
  // A separator may have begun at the end.
  scanned_ = rest.size() - std::min(rest.size(), separator_.size() - 1);
  return {.bytes = front};
}

bool TextReader::append(std::string_view message, std::string_view source, Chunk& chunk) {
  const size_t begin = chunk.body.size();
  std::optional<Timestamp> time;
  std::optional<uint32_t> pairs;
  if (parser_) pairs = parser_->append_map(message, chunk.body, time);
  if (!pairs) {
    MsgpackWriter writer(chunk.body);
    writer.map_header(1);
    writer.string(key_), writer.string(message);
    pairs = 1;
  }
  finish_record(chunk, begin, *pairs, source_key_, source, time.value_or(clock_.wall()));
  return true;
}

}  // namespace noroshi
