#include "input/json_messages.h"

#include <cstring>

#include "record/map_pairs.h"
#include "record/msgpack_writer.h"
#include "record/utf8.h"

namespace noroshi {
namespace {

constexpr std::string_view kTooLong = "a JSON document is longer than the limit; it is left out";
constexpr std::string_view kNoDocument = "it is no JSON object or array";
constexpr std::string_view kBroken = "a JSON document is not well-formed";
constexpr std::string_view kEndedWithin = "it ended in the middle of a JSON document";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
// Of a number or a literal; the parser looks at them closely.
bool is_scalar(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '+' || c == '.';
}

}  // namespace

void JsonFramer::begin_document() {
  in_document_ = true;
  too_long_ = false;
  scanned_ = 0;
  depth_ = 0;
  expect_ = Expect::Value;
}

bool JsonFramer::open(bool map) {
  if (depth_ == kMsgpackDepthMax) return false;
  is_map_[depth_++] = map;
  expect_ = map ? Expect::FirstKey : Expect::FirstValue;
  return true;
}

bool JsonFramer::close(bool map) {
  if (depth_ == 0 || is_map_[depth_ - 1] != map) return false;
  --depth_;
  expect_ = Expect::Comma;
  return true;
}

// One character that is neither space nor inside a text; the first of a number or literal.
bool JsonFramer::punctuation(char c) {
  switch (expect_) {
    case Expect::FirstValue:
      if (c == ']') return close(false);
      [[fallthrough]];
    case Expect::Value:
      if (c == '{' || c == '[') return open(c == '{');
      if (c == '"') {
        text_is_key_ = false;
        expect_ = Expect::InText;
        return true;
      }
      expect_ = Expect::Comma;
      return is_scalar(c);
    case Expect::FirstKey:
      if (c == '}') return close(true);
      [[fallthrough]];
    case Expect::Key:
      text_is_key_ = true;
      expect_ = Expect::InText;
      return c == '"';
    case Expect::Colon:
      expect_ = Expect::Value;
      return c == ':';
    case Expect::Comma:
      if (c == '}' || c == ']') return close(c == '}');
      expect_ = is_map_[depth_ - 1] ? Expect::Key : Expect::Value;
      return c == ',';
    case Expect::InText:
    case Expect::Escaped:
      break;
  }
  return false;
}

JsonFramer::Step JsonFramer::scan(std::string_view bytes) {
  const char* at = bytes.data() + scanned_;
  const char* const end = bytes.data() + bytes.size();
  const auto stop = [&](Step step) {
    scanned_ = static_cast<size_t>(at - bytes.data());
    return step;
  };
  while (at != end) {
    if (expect_ == Expect::Escaped) {
      expect_ = Expect::InText;
      ++at;
      continue;
    }
    if (expect_ == Expect::InText) {
      while (at != end && *at != '"' && *at != '\\' && static_cast<unsigned char>(*at) >= 0x20) {
        ++at;
      }
      if (at == end) break;
      if (*at == '\\') {
        expect_ = Expect::Escaped;
      } else if (*at == '"') {
        expect_ = text_is_key_ ? Expect::Colon : Expect::Comma;
      } else {
        return stop(Step::Wrong);
      }
      ++at;
      continue;
    }
    if (is_space(*at)) {
      ++at;
      continue;
    }
    // The rest of a number or literal; "1 2" ends up at the parser, which refuses it.
    if (expect_ == Expect::Comma && is_scalar(*at)) {
      ++at;
      continue;
    }
    if (!punctuation(*at)) return stop(Step::Wrong);
    ++at;
    if (depth_ == 0) return stop(Step::Complete);
  }
  return stop(Step::More);
}

// The byte at scanned_ cannot follow: forget the document. What stands behind a newline may be a
// document of its own.
Found JsonFramer::resynchronise(std::string_view bytes) {
  const size_t newline = bytes.substr(0, scanned_ + 1).rfind('\n');
  in_document_ = false;
  Found found{.kind = Found::Kind::Skipped, .problem = too_long_ ? kTooLong : kBroken};
  if (newline != std::string_view::npos) {
    found.bytes = newline + 1;
  } else {
    found.bytes = scanned_;
    skipping_line_ = true;
  }
  return found;
}

Found JsonFramer::next(std::string_view bytes, bool end) {
  size_t front = 0;
  if (!in_document_) {
    if (skipping_line_) {
      const size_t newline = bytes.find('\n');
      if (newline == std::string_view::npos) {
        if (end) skipping_line_ = false;
        return {.bytes = bytes.size()};
      }
      skipping_line_ = false;
      front = newline + 1;
    }
    while (front < bytes.size() && (is_space(bytes[front]) || bytes[front] == ',')) ++front;
    if (front == bytes.size()) return {.bytes = front};
    if (bytes[front] != '{' && bytes[front] != '[') {
      skipping_line_ = true;
      return {.kind = Found::Kind::Skipped, .bytes = front, .problem = kNoDocument};
    }
    begin_document();
  }
  const std::string_view document = bytes.substr(front);
  switch (scan(document)) {
    case Step::Wrong: {
      Found found = resynchronise(document);
      found.bytes += front;
      return found;
    }
    case Step::Complete: {
      in_document_ = false;
      Found found{.kind = Found::Kind::Message,
                  .bytes = front + scanned_,
                  .message = document.substr(0, scanned_)};
      if (too_long_ || scanned_ > bytes_max_) {
        found.kind = Found::Kind::Skipped;
        found.problem = kTooLong;
      }
      return found;
    }
    case Step::More:
      break;
  }
  if (end) {
    in_document_ = false;
    return {.kind = Found::Kind::Skipped, .bytes = bytes.size(), .problem = kEndedWithin};
  }
  too_long_ = too_long_ || scanned_ > bytes_max_;
  if (!too_long_) return {.bytes = front};
  scanned_ = 0;  // its bytes are not needed: only where it ends
  return {.bytes = bytes.size()};
}

bool JsonReader::append(std::string_view message, std::string_view source, Chunk& chunk) {
  const size_t begin = chunk.body.size();
  problem_ = {};
  const bool is_array = message.starts_with('[');
  MsgpackWriter writer(chunk.body);
  if (is_array) {
    writer.map_header(1);
    writer.string("msg");
  }
  auto parsed = json_.append_value(message, chunk.body);
  if (!parsed) {
    // Not valid UTF-8? One bad byte must not cost the record.
    mended_.clear();
    bool changed = false;
    for (size_t at = 0; at < message.size();) {
      const Utf8Sequence sequence = read_utf8(message.data() + at, message.size() - at);
      changed = changed || !sequence.valid;
      mended_.append(sequence.valid ? message.substr(at, sequence.bytes) : "\xef\xbf\xbd");
      at += sequence.bytes;
    }
    if (changed) parsed = json_.append_value(mended_, chunk.body);
  }
  if (!parsed) {
    chunk.body.resize(begin);
    problem_ = to_string(parsed.error());
    return false;
  }
  const uint32_t pairs =
      is_array ? 1 : MapPairs(std::string_view(chunk.body).substr(begin)).count();
  finish_record(chunk, begin, pairs, source_key_, source, clock_.wall());
  return true;
}

}  // namespace noroshi
