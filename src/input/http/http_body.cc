#include "input/http/http_body.h"

#include <fmt/format.h>

#include "input/json_messages.h"
#include "record/ascii.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi::http_input {
namespace {

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

// The document in document_: a map, or an array of maps.
bool BodyReader::add_document(std::string_view tag, std::string_view remote_address,
                              RequestChunks& chunks) {
  MsgpackReader reader(document_);
  const auto type = reader.peek();
  if (type && *type == MsgpackType::Map) {
    add_record(document_, tag, remote_address, chunks);
    return true;
  }
  const auto elements = reader.read_array();
  if (!elements) return false;
  for (uint32_t n = 0; n < *elements; ++n) {
    const auto element = reader.peek();
    const auto bytes = reader.skip();
    if (!element || !bytes || *element != MsgpackType::Map) {
      problem_ = fmt::format("element {} of the array is no object", n);
      return false;
    }
    add_record(*bytes, tag, remote_address, chunks);
  }
  return true;
}

bool BodyReader::read_json(std::string_view body, std::string_view tag,
                           std::string_view remote_address, RequestChunks& chunks) {
  JsonFramer framer(kJsonBytesMax);
  const std::string_view all = body;
  size_t documents = 0;
  for (;;) {
    const Found found = framer.next(body, true);
    body.remove_prefix(found.bytes);
    const size_t at = all.size() - body.size();
    if (found.kind == Found::Kind::Skipped) {
      problem_ = fmt::format("{} (near byte {})", found.problem, at);
      return false;
    }
    if (found.kind == Found::Kind::Incomplete) break;
    ++documents;
    document_.clear();
    if (const auto parsed = json_.append_value(found.message, document_); !parsed) {
      problem_ = fmt::format("{} (before byte {})", to_string(parsed.error()), at);
      return false;
    }
    if (!add_document(tag, remote_address, chunks)) return false;
    if (chunks.too_large()) {
      problem_ = fmt::format("its records are larger than {} MiB", kRequestBytesMax >> 20);
      return false;
    }
  }
  if (documents == 0) problem_ = "there is no JSON object in it";
  return documents != 0;
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
  problem_ = "there is no key=value in it";
  if (pairs != 0) add_record(record_, tag, remote_address, chunks);
  return pairs != 0;
}

}  // namespace noroshi::http_input
