// The first stage is simdjson's, used through its implementation interface (Debian 12's 3.0.1) and
// not through On-Demand: On-Demand is compiled for one instruction set, which on baseline x86-64 is
// the scalar fallback, whereas this interface picks AVX2 or AVX-512 when the program starts. It
// checks UTF-8, finds unclosed strings and bare control characters, and gives the position of every
// structural character and of the first byte of every other value.
//
// The second stage below is a loop over these positions, without recursion, that checks the grammar
// and writes MessagePack as it goes. An array or map is begun with one byte for its head, as nobody
// knows its count yet; a count above 15 moves the content when it is closed.
#include "record/json_parser.h"

#include <simdjson.h>

#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <vector>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/check.h"
#include "record/ascii.h"
#include "record/msgpack_encode.h"
#include "record/msgpack_reader.h"
#include "record/output_buffer.h"

namespace noroshi {
namespace {

namespace format = msgpack_format;

constexpr size_t kFirstCapacity = 16 << 10;
// Spaces after the text: loads of 16 bytes end there, and so does a number without anything behind
// it.
constexpr size_t kPadding = 64;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// A number, literal or string must be followed by one of these; the padding's NUL is the text's
// end.
bool ends_value(char c) { return is_space(c) || c == ',' || c == ']' || c == '}' || c == ':'; }

// First '"' or '\\' at or after `at`; a closed string is known to follow.
const char* find_quote_or_backslash(const char* at) {
#if defined(__SSE2__)
  while (true) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(
        _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')))));
    if (mask != 0) return at + std::countr_zero(mask);
    at += 16;
  }
#else
  while (*at != '"' && *at != '\\') ++at;
  return at;
#endif
}

void put_string(OutputBuffer& out, std::string_view text) {
  out.reserve(text.size());
  char* to = msgpack_encode::put_string_head(out.at(), static_cast<uint32_t>(text.size()));
  std::memcpy(to, text.data(), text.size());
  out.advance_to(to + text.size());
}

// A string without escapes of at most 31 bytes, nearly every key and many values: copied behind its
// one byte of head while its end is looked for. False: it is another one, and nothing is written.
bool put_short_string(OutputBuffer& out, const char* text) {
#if defined(__SSE2__)
  static_assert(OutputBuffer::kSlack >= 33 && kPadding >= 32);
  char* const to = out.at();
  for (unsigned from = 0; from < 32; from += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + from));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 1 + from), bytes);
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(
        _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')))));
    if (mask == 0) continue;
    const unsigned size = from + static_cast<unsigned>(std::countr_zero(mask));
    if (text[size] != '"') return false;
    *to = static_cast<char>(format::kFixString | size);
    out.advance_to(to + 1 + size);
    return true;
  }
#endif
  return false;
}

std::optional<uint32_t> four_hex_digits(const char* at) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = at[i];
    const char lower = to_lower(c);
    if (is_digit(c)) {
      value = value << 4 | static_cast<uint32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value << 4 | static_cast<uint32_t>(lower - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

void append_utf8(std::string& out, uint32_t code) {
  const auto byte = [&](uint32_t value) { out.push_back(static_cast<char>(value)); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xc0 | code >> 6), byte(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f));
  } else {
    byte(0xf0 | code >> 18), byte(0x80 | (code >> 12 & 0x3f));
    byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f));
  }
}

// Appends the string at `at` (after its opening quote) with its escapes resolved; false if one is
// wrong.
bool unescape(const char* at, std::string& out) {
  while (true) {
    const char* stop = find_quote_or_backslash(at);
    out.append(at, stop);
    if (*stop == '"') return true;
    at = stop + 2;
    switch (stop[1]) {
      case '"':
        out.push_back('"');
        break;
      case '\\':
        out.push_back('\\');
        break;
      case '/':
        out.push_back('/');
        break;
      case 'b':
        out.push_back('\b');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'u': {
        const auto unit = four_hex_digits(at);
        if (!unit) return false;
        at += 4;
        uint32_t code = *unit;
        if (code >= 0xd800 && code <= 0xdbff && at[0] == '\\' && at[1] == 'u') {
          const auto low = four_hex_digits(at + 2);
          if (!low) return false;
          if (*low >= 0xdc00 && *low <= 0xdfff) {
            code = 0x10000 + ((code - 0xd800) << 10) + (*low - 0xdc00);
            at += 6;
          }
        }
        append_utf8(out, code >= 0xd800 && code <= 0xdfff ? 0xfffd : code);
        break;
      }
      default:
        return false;
    }
  }
}

// A number that from_chars() calls out of range is either too large or rounds to zero: the exponent
// of its first digit that is not 0 tells.
bool rounds_to_zero(std::string_view number) {
  if (number.starts_with('-')) number.remove_prefix(1);
  const size_t exponent_at = number.find_first_of("eE");
  const std::string_view mantissa = number.substr(0, exponent_at);
  const size_t point = std::min(mantissa.find('.'), mantissa.size());
  const size_t digit = mantissa.find_first_of("123456789");
  if (digit == mantissa.npos) return true;
  int64_t exponent = digit < point ? static_cast<int64_t>(point - digit)
                                   : static_cast<int64_t>(point) - static_cast<int64_t>(digit);
  if (exponent_at != number.npos) {
    std::string_view text = number.substr(exponent_at + 1);
    if (text.starts_with('+')) text.remove_prefix(1);
    int64_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) {
      return text.starts_with('-');
    }
    exponent += value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : value;
  }
  return exponent <= 0;
}

bool put_double(OutputBuffer& out, const char* begin, const char* end) {
  double value = 0;
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error == std::errc::result_out_of_range) {
    if (!rounds_to_zero({begin, static_cast<size_t>(end - begin)})) return false;
    value = *begin == '-' ? -0.0 : 0.0;
  } else if (error != std::errc() || stop != end) {
    return false;
  }
  out.advance_to(msgpack_encode::put_float(out.at(), value));
  return true;
}

// Powers of ten that a double holds exactly.
constexpr auto kExactPowersOfTen = [] {
  std::array<double, 23> powers{};
  double power = 1;
  for (double& entry : powers) entry = power, power *= 10;
  return powers;
}();

// digits / 10^decimals: both are exact doubles, so the quotient is the nearest double to the text
// (Clinger 1990, the fast case), and std::from_chars() is not needed.
bool put_short_decimal(OutputBuffer& out, bool negative, uint64_t digits, size_t decimals) {
  constexpr uint64_t kExactMax = uint64_t{1} << 53;
  if (digits > kExactMax || decimals >= kExactPowersOfTen.size()) return false;
  const double value = static_cast<double>(digits) / kExactPowersOfTen[decimals];
  out.advance_to(msgpack_encode::put_float(out.at(), negative ? -value : value));
  return true;
}

bool put_number(OutputBuffer& out, const char* begin) {
  const char* at = begin;
  const bool negative = *at == '-';
  if (negative) ++at;
  const char* digits = at;
  uint64_t value = 0;
  for (; is_digit(*at); ++at) value = value * 10 + static_cast<uint64_t>(*at - '0');
  const auto count = at - digits;
  if (count == 0 || (*digits == '0' && count > 1)) return false;
  bool whole = true;
  if (*at == '.') {
    whole = false;
    const char* fraction = ++at;
    uint64_t all_digits = value;
    for (; is_digit(*at); ++at) all_digits = all_digits * 10 + static_cast<uint64_t>(*at - '0');
    if (at == fraction) return false;
    const auto decimals = at - fraction;
    if (ends_value(*at) && count + decimals <= 19 &&
        put_short_decimal(out, negative, all_digits, static_cast<size_t>(decimals)))
      return true;
  }
  if (*at == 'e' || *at == 'E') {
    whole = false;
    ++at;
    if (*at == '+' || *at == '-') ++at;
    const char* exponent = at;
    while (is_digit(*at)) ++at;
    if (at == exponent) return false;
  }
  if (!ends_value(*at)) return false;
  // 19 digits always fit 64 bits. With 20, a first digit of 1 and a result of that size mean no
  // overflow.
  constexpr uint64_t kTenToThe19 = 10'000'000'000'000'000'000u;
  const bool fits = count <= 19 || (count == 20 && *digits == '1' && value >= kTenToThe19);
  if (!whole || !fits) return put_double(out, begin, at);
  if (!negative) {
    out.advance_to(msgpack_encode::put_unsigned(out.at(), value));
  } else if (value <= uint64_t{1} << 63) {
    out.advance_to(msgpack_encode::put_integer(out.at(), static_cast<int64_t>(~value + 1)));
  } else {
    return put_double(out, begin, at);
  }
  return true;
}

// "true", "fals": four bytes as one integer to compare with.
uint32_t load32(const char* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

struct OpenContainer {
  size_t begin;    // position of its head in the output
  uint32_t count;  // elements or pairs so far
  bool is_map;
};

void close_container(OutputBuffer& out, const OpenContainer& container) {
  char head[msgpack_encode::kHeadBytesMax];
  const auto size = static_cast<size_t>(
      msgpack_encode::put_container_head(head, container.is_map, container.count) - head);
  out.reserve(0);
  char* at = out.begin() + container.begin;
  if (size > 1) {
    std::memmove(at + size, at + 1, static_cast<size_t>(out.at() - at - 1));
    out.advance_to(out.at() + size - 1);
  }
  std::memcpy(at, head, size);
}

}  // namespace

struct JsonToMsgpack::State {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> first_stage;
  std::vector<char> text;  // a copy of the JSON, the padding, … , a NUL
  std::string unescaped;
  std::array<OpenContainer, kMsgpackDepthMax> open;
  std::array<uint32_t, kJsonKeysNotedMax> keys;  // see key_positions()
  size_t key_count = 0;

  void set_capacity(size_t capacity) {
    // The depth is simdjson's own second stage's, which is not used: 1.
    first_stage.reset();
    const auto error = simdjson::get_active_implementation()->create_dom_parser_implementation(
        capacity, 1, first_stage);
    CHECK(error == simdjson::SUCCESS, "out of memory");
    text.assign(capacity + kPadding + 1, '\0');
    text.shrink_to_fit();
  }

  std::expected<void, JsonError> parse(std::string_view json, OutputBuffer& out);
  std::expected<void, JsonError> second_stage(const char* base, OutputBuffer& out);
  bool put_scalar(const char* at, OutputBuffer& out);
  bool put_escaped_or_plain_string(const char* at, OutputBuffer& out);
  std::expected<void, JsonError> append(std::string_view json, std::string& out);
};

bool JsonToMsgpack::State::put_escaped_or_plain_string(const char* at, OutputBuffer& out) {
  const char* begin = at + 1;
  if (put_short_string(out, begin)) return true;
  const char* stop = find_quote_or_backslash(begin);
  if (*stop == '"') {
    put_string(out, {begin, static_cast<size_t>(stop - begin)});
    return true;
  }
  unescaped.clear();
  if (!unescape(begin, unescaped)) return false;
  put_string(out, unescaped);
  return true;
}

bool JsonToMsgpack::State::put_scalar(const char* at, OutputBuffer& out) {
  out.reserve(0);
  switch (*at) {
    case '"':
      return put_escaped_or_plain_string(at, out);
    case 't':
      out.byte(static_cast<char>(format::kTrue));
      return load32(at) == load32("true") && ends_value(at[4]);
    case 'f':
      out.byte(static_cast<char>(format::kFalse));
      return load32(at + 1) == load32("alse") && ends_value(at[5]);
    case 'n':
      out.byte(static_cast<char>(format::kNil));
      return load32(at) == load32("null") && ends_value(at[4]);
    default:
      return put_number(out, at);
  }
}

std::expected<void, JsonError> JsonToMsgpack::State::second_stage(const char* base,
                                                                  OutputBuffer& out) {
  const uint32_t* next = first_stage->structural_indexes.get();
  const uint32_t* const last = next + first_stage->n_structural_indexes;
  // What stands after the last position: the buffer's last byte, a NUL, which no rule below
  // accepts.
  const char* const nothing = base + text.size() - 1;
  const auto take = [&] { return next != last ? base + *next++ : nothing; };
  const auto invalid = std::unexpected(JsonError::Invalid);

  uint32_t depth = 0;
  key_count = 0;
  const char* at = take();
  while (true) {
    // `at` is the first byte of a value.
    bool finished = true;
    if (*at == '{' || *at == '[') {
      if (depth == kMsgpackDepthMax) return std::unexpected(JsonError::TooDeep);
      out.reserve(0);
      open[depth] = {out.position(), 0, *at == '{'};
      out.byte(0);
      const char* following = take();
      if (*following == (open[depth].is_map ? '}' : ']')) {
        close_container(out, open[depth]);
      } else {
        ++depth;
        finished = false;
        at = following;
      }
    } else if (!put_scalar(at, out)) {
      return invalid;
    }

    // Step to the next value, closing what ends here.
    while (finished) {
      if (depth == 0) {
        if (next != last) return invalid;
        return {};
      }
      OpenContainer& container = open[depth - 1];
      ++container.count;
      const char* following = take();
      if (*following == ',') {
        at = take();
        finished = false;
      } else if (*following == (container.is_map ? '}' : ']')) {
        close_container(out, container);
        --depth;
      } else {
        return invalid;
      }
    }

    if (open[depth - 1].is_map) {
      if (*at != '"') return invalid;
      out.reserve(0);
      if (depth == 1) {
        if (key_count < keys.size()) keys[key_count] = static_cast<uint32_t>(out.position() - 1);
        ++key_count;
      }
      if (!put_escaped_or_plain_string(at, out)) return invalid;
      if (*take() != ':') return invalid;
      at = take();
    }
  }
}

std::expected<void, JsonError> JsonToMsgpack::State::parse(std::string_view json,
                                                           OutputBuffer& out) {
  std::memcpy(text.data(), json.data(), json.size());
  std::memset(text.data() + json.size(), ' ', kPadding);
  const auto error = first_stage->stage1(reinterpret_cast<const uint8_t*>(text.data()), json.size(),
                                         simdjson::stage1_mode::regular);
  if (error != simdjson::SUCCESS) return std::unexpected(JsonError::Invalid);
  return second_stage(text.data(), out);
}

std::expected<void, JsonError> JsonToMsgpack::State::append(std::string_view json,
                                                            std::string& out) {
  if (json.size() > kJsonBytesMax) return std::unexpected(JsonError::TooLong);
  if (json.empty()) return std::unexpected(JsonError::Invalid);
  if (first_stage == nullptr || first_stage->capacity() < json.size()) {
    set_capacity(std::bit_ceil(std::max(json.size(), kFirstCapacity)));
  }
  OutputBuffer buffer(out, json.size());
  auto result = parse(json, buffer);
  if (result) {
    buffer.close();
  } else {
    buffer.discard();
  }
  if (first_stage->capacity() > kJsonBytesKept) set_capacity(kJsonBytesKept);
  if (unescaped.capacity() > kJsonBytesKept) std::string().swap(unescaped);
  return result;
}

std::string_view to_string(JsonError error) {
  switch (error) {
    case JsonError::NotAnObject:
      return "not a JSON object";
    case JsonError::Invalid:
      return "not valid JSON";
    case JsonError::TooDeep:
      return "JSON nested too deeply";
    case JsonError::TooLong:
      return "JSON text too long";
  }
  return "unknown";
}

JsonToMsgpack::JsonToMsgpack() : state_(std::make_unique<State>()) {}
JsonToMsgpack::~JsonToMsgpack() = default;
JsonToMsgpack::JsonToMsgpack(JsonToMsgpack&&) noexcept = default;
JsonToMsgpack& JsonToMsgpack::operator=(JsonToMsgpack&&) noexcept = default;

std::expected<void, JsonError> JsonToMsgpack::append_object(std::string_view json,
                                                            std::string& out) {
  size_t first = 0;
  while (first < json.size() && is_space(json[first])) ++first;
  if (first == json.size() || json[first] != '{') return std::unexpected(JsonError::NotAnObject);
  return state_->append(json.substr(first), out);
}

std::span<const uint32_t> JsonToMsgpack::key_positions() const {
  if (state_->key_count > kJsonKeysNotedMax) return {};
  return std::span(state_->keys).first(state_->key_count);
}

std::expected<void, JsonError> JsonToMsgpack::append_value(std::string_view json,
                                                           std::string& out) {
  return state_->append(json, out);
}

}  // namespace noroshi
