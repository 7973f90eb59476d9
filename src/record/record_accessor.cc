#include "record/record_accessor.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "record/ascii.h"
#include "record/json_writer.h"
#include "record/msgpack_decode.h"

namespace noroshi {
namespace {

using msgpack_decode::decode;
using msgpack_decode::skip_value;

constexpr size_t kStepsMax = kMsgpackDepthMax;

// A map's value, its end not known yet.
struct Place {
  const char* at = nullptr;
  const char* end = nullptr;
};

std::string_view view(const Place& place) {
  return {place.at, static_cast<size_t>(place.end - place.at)};
}

// The end of the last place in `map` where the bytes of `key` stand, as a key or as anything else;
// its beginning if there is none. 16 places are looked at at once, so that it costs a fraction of
// stepping over the values.
const char* behind_last_candidate([[maybe_unused]] Place map,
                                  [[maybe_unused]] std::string_view key) {
#if defined(__SSE2__)
  if (key.empty()) return map.end;
  const auto size = static_cast<ptrdiff_t>(key.size());
  ptrdiff_t places = map.end - map.at - size + 1;
  if (places < 16) return places <= 0 ? map.at : map.end;
  const __m128i first = _mm_set1_epi8(key.front()), last = _mm_set1_epi8(key.back());
  while (places > 0) {
    places = std::max<ptrdiff_t>(places - 16, 0);
    const char* const at = map.at + places;
    const __m128i firsts = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i lasts = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + size - 1));
    auto mask = static_cast<unsigned>(_mm_movemask_epi8(
        _mm_and_si128(_mm_cmpeq_epi8(firsts, first), _mm_cmpeq_epi8(lasts, last))));
    while (mask != 0) {
      const int place = std::bit_width(mask) - 1;
      if (std::memcmp(at + place, key.data(), key.size()) == 0) return at + place + size;
      mask ^= 1u << place;
    }
  }
  return map.at;
#else
  return map.end;
#endif
}

// The last pair whose key is `key`, among those that begin before `behind`. Once per record and
// condition: keys of at most 31 bytes, nearly all, are compared where they lie.
std::optional<Place> find_in_map(Place map, std::string_view key, const char* behind) {
  MsgpackToken head;
  if (decode(map.at, map.end, head) || head.type != MsgpackType::Map) return std::nullopt;
  std::optional<Place> found;
  for (uint32_t i = 0; i < head.count; ++i) {
    const char* const begin = map.at;
    if (begin >= behind && behind != map.end) break;
    const auto first = begin == map.end ? uint8_t{0} : static_cast<uint8_t>(*begin);
    const auto short_size = static_cast<size_t>(first & 0x1f);
    std::string_view name;
    if ((first & 0xe0) == msgpack_format::kFixString &&
        static_cast<size_t>(map.end - begin) > short_size) [[likely]] {
      name = {begin + 1, short_size};
      map.at = begin + 1 + short_size;
    } else {
      if (skip_value(map.at, map.end)) return std::nullopt;
      name = MsgpackReader(view({begin, map.at})).read_binary().value_or(std::string_view());
    }
    const char* const value = map.at;
    if (skip_value(map.at, map.end)) return std::nullopt;
    if (name.size() == key.size() && name.data() != nullptr && name == key)
      found = Place{value, map.at};
  }
  return found;
}

std::optional<Place> find_in_map(Place map, std::string_view key) {
  return find_in_map(map, key, map.end);
}

std::optional<Place> find_in_array(Place array, uint32_t index) {
  MsgpackToken head;
  if (decode(array.at, array.end, head) || head.type != MsgpackType::Array) return std::nullopt;
  if (index >= head.count) return std::nullopt;
  for (uint32_t i = 0; i < index; ++i) {
    if (skip_value(array.at, array.end)) return std::nullopt;
  }
  const char* value = array.at;
  if (skip_value(array.at, array.end)) return std::nullopt;
  return Place{value, array.at};
}

bool is_key_character(char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '@'; }

// Where the accessor that begins with the '$' at `from` ends. `whole`: the text is nothing else, so
// its key may hold '.', '/' and '-' as Fluent Bit's grammar allows.
size_t accessor_end(std::string_view text, size_t from, bool whole) {
  size_t at = from + 1;
  while (at < text.size() && (is_key_character(text[at]) ||
                              (whole && (text[at] == '.' || text[at] == '/' || text[at] == '-')) ||
                              static_cast<uint8_t>(text[at]) >= 0x80)) {
    ++at;
  }
  while (at < text.size() && text[at] == '[') {
    size_t inside = at + 1;
    if (inside < text.size() && text[inside] == '\'') {
      // A quote in a key is written twice.
      for (++inside; inside < text.size(); ++inside) {
        if (text[inside] != '\'') continue;
        if (inside + 1 == text.size() || text[inside + 1] != '\'') break;
        ++inside;
      }
    }
    const size_t close = text.find(']', inside);
    if (close == text.npos) return text.size();
    at = close + 1;
  }
  return at;
}

std::optional<uint32_t> parse_index(std::string_view digits) {
  uint32_t index = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (digits.empty() || error != std::errc() || stop != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return index;
}

// Part `index` of `tag`; empty parts count, as between two dots.
std::optional<std::string_view> tag_part(std::string_view tag, std::string_view delimiters,
                                         uint32_t index) {
  while (true) {
    const size_t end = tag.find_first_of(delimiters);
    if (index == 0) return tag.substr(0, end);
    if (end == tag.npos) return std::nullopt;
    tag.remove_prefix(end + 1);
    --index;
  }
}

}  // namespace

Result<RecordAccessor> RecordAccessor::parse(std::string_view text) {
  RecordAccessor accessor;
  accessor.text_ = text;
  if (!text.starts_with('$')) {
    if (text.empty()) return fail(ErrorCode::InvalidArgument, "the record key is empty");
    accessor.key_ = text;
    return accessor;
  }
  const auto wrong = [&](std::string_view why) {
    return fail(ErrorCode::InvalidArgument, fmt::format("record accessor {}: {}", text, why));
  };
  const size_t bracket = text.find('[');
  accessor.key_ = text.substr(1, bracket == text.npos ? text.npos : bracket - 1);
  if (accessor.key_.empty()) return wrong("there is no key after the '$'");
  if (accessor_end(text, 0, true) != text.size()) {
    return wrong("expected $key, $key['sub'] or $key[0]");
  }
  size_t at = std::min(bracket, text.size());
  while (at < text.size()) {
    ++at;  // '['
    if (at < text.size() && text[at] == '\'') {
      std::string key;
      bool closed = false;
      for (++at; at < text.size() && !closed; ++at) {
        if (text[at] != '\'') {
          key += text[at];
        } else if (at + 1 < text.size() && text[at + 1] == '\'') {
          key += text[at++];
        } else {
          closed = true;
        }
      }
      if (!closed || at >= text.size() || text[at] != ']') return wrong("a quote is not closed");
      accessor.steps_.emplace_back(std::move(key));
      ++at;
    } else {
      const size_t close = text.find(']', at);
      if (close == text.npos) return wrong("a bracket is not closed");
      const auto index = parse_index(text.substr(at, close - at));
      if (!index) return wrong("inside brackets stands 'a key' in quotes or a number");
      accessor.steps_.emplace_back(*index);
      at = close + 1;
    }
    if (accessor.steps_.size() > kStepsMax) return wrong("too many brackets");
  }
  return accessor;
}

std::optional<std::string_view> RecordAccessor::find(std::string_view record) const {
  const Place map{record.data(), record.data() + record.size()};
  return find_from(map.at, map.end, map.end);
}

std::optional<std::string_view> RecordAccessor::find_in_whole(std::string_view record) const {
  const Place map{record.data(), record.data() + record.size()};
  // Of few pairs (Docker's record has four) all are stepped over sooner.
  constexpr uint8_t kPairsFew = 6;
  const bool few = !record.empty() && (static_cast<uint8_t>(record[0]) & 0xf0) == 0x80 &&
                   (static_cast<uint8_t>(record[0]) & 0x0f) <= kPairsFew;
  return find_from(map.at, map.end, few ? map.end : behind_last_candidate(map, key_));
}

std::optional<std::string_view> RecordAccessor::find_from(const char* at, const char* end,
                                                          const char* behind) const {
  auto place = find_in_map({at, end}, key_, behind);
  for (const Step& step : steps_) {
    if (!place) return std::nullopt;
    if (const auto* key = std::get_if<std::string>(&step)) {
      place = find_in_map(*place, *key);
    } else {
      place = find_in_array(*place, std::get<uint32_t>(step));
    }
  }
  if (!place) return std::nullopt;
  return view(*place);
}

std::optional<std::string_view> find_key(std::string_view record, std::string_view key) {
  const auto place = find_in_map({record.data(), record.data() + record.size()}, key);
  if (!place) return std::nullopt;
  return view(*place);
}

bool append_value_text(std::string& out, std::string_view value) {
  MsgpackToken token;
  const char* at = value.data();
  if (decode(at, at + value.size(), token)) return false;
  if (token.type == MsgpackType::String || token.type == MsgpackType::Binary) {
    out.append(token.bytes);
    return true;
  }
  return write_json(out, value).has_value();
}

Result<RecordTemplate> RecordTemplate::parse(std::string_view text) {
  RecordTemplate parsed;
  parsed.text_ = text;
  std::string literal;
  const auto end_literal = [&] {
    if (!literal.empty()) parsed.parts_.emplace_back(Literal{std::move(literal)});
    literal.clear();
  };
  for (size_t at = 0; at < text.size();) {
    const char following = at + 1 < text.size() ? text[at + 1] : '\0';
    if (text[at] != '$' || following == '\0') {
      literal += text[at++];
    } else if (following == '$') {
      literal += '$';
      at += 2;
    } else if (is_digit(following)) {
      end_literal();
      parsed.parts_.emplace_back(
          Capture{static_cast<uint32_t>(following - '0'), std::string(text.substr(at, 2))});
      at += 2;
    } else if (text.substr(at).starts_with("$TAG[")) {
      const size_t close = text.find(']', at);
      const auto index =
          close == text.npos ? std::nullopt : parse_index(text.substr(at + 5, close - at - 5));
      if (!index) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("{}: $TAG[n] wants a number and a closing bracket", text));
      }
      end_literal();
      parsed.parts_.emplace_back(TagPart{*index, std::string(text.substr(at, close + 1 - at))});
      at = close + 1;
    } else if (text.substr(at).starts_with("$TAG")) {
      end_literal();
      parsed.parts_.emplace_back(Tag{});
      at += 4;
    } else {
      const size_t end = accessor_end(text, at, false);
      if (end == at + 1) {  // "$" before something that is no key: itself
        literal += text[at++];
        continue;
      }
      NOROSHI_ASSIGN(auto accessor, RecordAccessor::parse(text.substr(at, end - at)));
      end_literal();
      parsed.parts_.emplace_back(std::move(accessor));
      at = end;
    }
  }
  end_literal();
  return parsed;
}

bool RecordTemplate::render(const TemplateContext& context, std::string& out,
                            std::string_view* missing) const {
  bool complete = true;
  const auto miss = [&](std::string_view part) {
    if (complete && missing != nullptr) *missing = part;
    complete = false;
  };
  for (const auto& part : parts_) {
    if (const auto* literal = std::get_if<Literal>(&part)) {
      out.append(literal->text);
    } else if (std::holds_alternative<Tag>(part)) {
      out.append(context.tag);
    } else if (const auto* piece = std::get_if<TagPart>(&part)) {
      const auto found = tag_part(context.tag, context.tag_delimiters, piece->index);
      found ? void(out.append(*found)) : miss(piece->text);
    } else if (const auto* capture = std::get_if<Capture>(&part)) {
      const bool present = capture->index < context.captures.size() &&
                           context.captures[capture->index].data() != nullptr;
      present ? void(out.append(context.captures[capture->index])) : miss(capture->text);
    } else {
      const auto& accessor = std::get<RecordAccessor>(part);
      const auto value = accessor.find(context.record);
      if (!value || !append_value_text(out, *value)) miss(accessor.text());
    }
  }
  return complete;
}

bool RecordTemplate::is_literal() const {
  return parts_.empty() || (parts_.size() == 1 && std::holds_alternative<Literal>(parts_[0]));
}

bool RecordTemplate::needs_record() const {
  for (const auto& part : parts_) {
    if (std::holds_alternative<RecordAccessor>(part)) return true;
  }
  return false;
}

}  // namespace noroshi
