#include "input/http/http_body.h"

#include <fmt/format.h>

#include "input/json_messages.h"
#include "record/ascii.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi::http_input {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

void skip_spaces(std::string_view& text) {
  while (!text.empty() && is_space(text[0])) text.remove_prefix(1);
}

void sanitize(std::string& tag) {
  for (char& c : tag) {
    if (!is_letter(c) && !is_digit(c) && c != '_' && c != '.') c = '_';
  }
}

std::optional<unsigned> hex(char c) {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  const char lower = to_lower(c);
  if (lower >= 'a' && lower <= 'f') return static_cast<unsigned>(lower - 'a' + 10);
  return std::nullopt;
}

// application/x-www-form-urlencoded; what is no escape stays as it is.
std::string decoded(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '+') {
      out.push_back(' ');
    } else if (text[at] == '%' && at + 2 < text.size() && hex(text[at + 1]) && hex(text[at + 2])) {
      out.push_back(static_cast<char>(*hex(text[at + 1]) << 4 | *hex(text[at + 2])));
      at += 2;
    } else {
      out.push_back(text[at]);
    }
  }
  return out;
}

}  // namespace

std::string tag_of_path(std::string_view path) {
  std::string tag(path.substr(path.starts_with('/') ? 1 : 0));
  sanitize(tag);
  return tag;
}

void BodyReader::add_record(std::string_view record, std::string_view tag,
                            std::string_view remote_address, RequestChunks& chunks) {
  if (options_.tag_key) {
    if (const auto value = options_.tag_key->find(record)) {
      if (const auto text = MsgpackReader(*value).read_string(); text && !text->empty()) {
        tag_ = *text;
        sanitize(tag_);
        tag = tag_;
      }
    }
  }
  Chunk& chunk = chunks.chunk_for(tag, record.size());
  const size_t begin = chunk.body.size();
  chunk.body.append(record);
  const bool add_address =
      !options_.remote_address_key.empty() && !find_key(record, options_.remote_address_key);
  finish_record(chunk, begin, MapPairs(record).count(),
                add_address ? std::string_view(options_.remote_address_key) : std::string_view(),
                remote_address, clock_.wall());
}

bool BodyReader::read_object(std::string_view& body, std::string_view tag,
                             std::string_view remote_address, RequestChunks& chunks) {
  const Found found = JsonFramer(kJsonBytesMax).next(body, true);
  body.remove_prefix(found.bytes);
  if (found.kind != Found::Kind::Message) {
    problem_ = found.problem;
    return false;
  }
  if (found.message.size() > kObjectBytesMax) {
    problem_ = fmt::format("an object is larger than {} MiB", kObjectBytesMax >> 20);
    too_large_ = true;
    return false;
  }
  record_.clear();
  if (const auto parsed = json_.append_object(found.message, record_); !parsed) {
    problem_ = to_string(parsed.error());
    return false;
  }
  add_record(record_, tag, remote_address, chunks);
  if (!chunks.too_large()) return true;
  problem_ = fmt::format("its records take more than {} MiB of memory", kRequestBytesMax >> 20);
  too_large_ = true;
  return false;
}

// One object after the other: an array of 16 MiB as one document would take several times as much.
bool BodyReader::read_array(std::string_view& body, std::string_view tag,
                            std::string_view remote_address, RequestChunks& chunks) {
  body.remove_prefix(1);
  skip_spaces(body);
  if (body.starts_with(']')) return body.remove_prefix(1), true;
  for (size_t n = 0;; ++n) {
    skip_spaces(body);
    if (!body.starts_with('{')) {
      problem_ = body.empty() ? "it ended in the middle of a JSON document"
                              : fmt::format("element {} of the array is no object", n);
      return false;
    }
    if (!read_object(body, tag, remote_address, chunks)) return false;
    skip_spaces(body);
    const bool more = body.starts_with(',');
    if (!more && !body.starts_with(']')) {
      problem_ = fmt::format("element {} of the array is followed by neither , nor ]", n);
      return false;
    }
    body.remove_prefix(1);
    if (!more) return true;
  }
}

bool BodyReader::read_json(std::string_view body, std::string_view tag,
                           std::string_view remote_address, RequestChunks& chunks) {
  too_large_ = false;
  const size_t all = body.size();
  bool any = false;
  for (;;) {
    while (!body.empty() && (is_space(body[0]) || body[0] == ',')) body.remove_prefix(1);
    if (body.empty()) break;
    const bool array = body[0] == '[';
    if (!array && body[0] != '{') {
      problem_ = "it is no JSON object or array";
    } else if (array ? read_array(body, tag, remote_address, chunks)
                     : read_object(body, tag, remote_address, chunks)) {
      any = true;
      continue;
    }
    problem_ += fmt::format(" (near byte {})", all - body.size());
    return false;
  }
  if (!any) problem_ = "there is no JSON object in it";
  return any;
}

bool BodyReader::read_form(std::string_view body, std::string_view tag,
                           std::string_view remote_address, RequestChunks& chunks) {
  record_.clear();
  MsgpackWriter writer(record_);
  const size_t map = writer.begin_map();
  uint32_t pairs = 0;
  while (!body.empty()) {
    const size_t end = std::min(body.find('&'), body.size());
    std::string_view pair = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    while (pair.starts_with('\n') || pair.starts_with('\r')) pair.remove_prefix(1);
    while (pair.ends_with('\n') || pair.ends_with('\r')) pair.remove_suffix(1);
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    writer.string(decoded(pair.substr(0, equals)));
    writer.string(decoded(pair.substr(equals + 1)));
    ++pairs;
  }
  writer.end_map(map, pairs);
  too_large_ = false;
  problem_ = "there is no key=value in it";
  if (pairs != 0) add_record(record_, tag, remote_address, chunks);
  return pairs != 0;
}

}  // namespace noroshi::http_input
