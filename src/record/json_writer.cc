// Strings are most of a record, so they are the fast path: 16 bytes (SSE2) or 8 bytes (any 64-bit
// machine) are tested at once for "needs nothing", and copied as they are tested. Only a byte that
// needs an escape, or UTF-8 beyond ASCII, is looked at alone.
#include "record/json_writer.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdio>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "record/ascii.h"
#include "record/json_date.h"
#include "record/msgpack_decode.h"
#include "record/output_buffer.h"
#include "record/utf8.h"

namespace noroshi {
namespace {

using msgpack_decode::decode;

constexpr char kHex[] = "0123456789abcdef";

uint64_t load64(const char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
uint32_t load32(const char* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Non-zero if one of the 8 bytes is below 0x20, '"', '\\' or above 0x7f.
uint64_t special_in(uint64_t bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  const uint64_t quote = bytes ^ (kOnes * '"'), backslash = bytes ^ (kOnes * '\\');
  return ((bytes - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes) | bytes) & kHighs;
}

#if defined(__SSE2__)
// One bit per byte, as special_in().
unsigned special_mask(__m128i bytes) {
  // Signed comparison: bytes above 0x7f are negative, so "below 0x20" finds them too.
  return static_cast<unsigned>(
      _mm_movemask_epi8(_mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),
                                     _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                  _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))))));
}
#endif

bool is_special(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte < 0x20 || byte >= 0x80 || c == '"' || c == '\\';
}

// Copies plain bytes from `from` until `end` or the first special byte; `to` has room for them and
// 16 more. What is left behind the last whole step is tested together with bytes before it that are
// known to be plain.
void copy_plain(const char*& from, const char* end, char*& to) {
  [[maybe_unused]] const char* const start = from;
#if defined(__SSE2__)
  while (end - from >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
    const unsigned mask = special_mask(bytes);
    const int plain = mask == 0 ? 16 : std::countr_zero(mask);
    from += plain, to += plain;
    if (mask != 0) return;
  }
  if (from == end) return;
  if (end - start >= 16) {
    const auto back = 16 - (end - from);
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(end - 16));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to - back), bytes);
    const unsigned mask = special_mask(bytes);
    const auto plain = (mask == 0 ? 16 : std::countr_zero(mask)) - back;
    from += plain, to += plain;
    return;
  }
#endif
  while (end - from >= 8) {
    const uint64_t bytes = load64(from);
    if (special_in(bytes) != 0) break;
    std::memcpy(to, &bytes, 8);
    from += 8, to += 8;
  }
  const auto left = end - from;
  if (left < 8 && end - start >= 8) {
    const uint64_t bytes = load64(end - 8);
    if (special_in(bytes) == 0) {
      std::memcpy(to - (8 - left), &bytes, 8);
      from = end, to += left;
      return;
    }
  } else if (left >= 4 && left < 8) {
    // Two overlapping halves: most keys.
    const uint32_t head = load32(from), tail = load32(end - 4);
    if (special_in(head | uint64_t{tail} << 32) == 0) {
      std::memcpy(to, &head, 4);
      std::memcpy(to + left - 4, &tail, 4);
      from = end, to += left;
      return;
    }
  }
  while (from != end && !is_special(*from)) *to++ = *from++;
}

// Copies characters of three bytes, as Japanese and Chinese text has them, as long as they are
// valid.
void copy_three_byte_characters(const char*& from, const char* end, char*& to) {
  while (end - from >= 4) {
    const auto first = static_cast<uint8_t>(from[0]);
    const auto second = static_cast<uint8_t>(from[1]), third = static_cast<uint8_t>(from[2]);
    // e0 and ed have a narrower second byte: left to read_utf8().
    if (first < 0xe1 || first > 0xef || first == 0xed || (second & 0xc0) != 0x80 ||
        (third & 0xc0) != 0x80) {
      return;
    }
    std::memcpy(to, from, 4);
    from += 3, to += 3;
  }
}

char* put_unicode_escape(char* to, uint32_t unit) {
  *to++ = '\\', *to++ = 'u';
  for (int shift = 12; shift >= 0; shift -= 4) *to++ = kHex[unit >> shift & 0xf];
  return to;
}

// Writes the escape of one special byte or the UTF-8 sequence at `from`: 12 bytes at most.
char* put_special(const char*& from, const char* end, char* to, JsonOptions options) {
  const char c = *from;
  if (static_cast<uint8_t>(c) < 0x80) {
    ++from;
    switch (c) {
      case '"':
        *to++ = '\\', *to++ = '"';
        return to;
      case '\\':
        *to++ = '\\', *to++ = '\\';
        return to;
      case '\b':
        *to++ = '\\', *to++ = 'b';
        return to;
      case '\f':
        *to++ = '\\', *to++ = 'f';
        return to;
      case '\n':
        *to++ = '\\', *to++ = 'n';
        return to;
      case '\r':
        *to++ = '\\', *to++ = 'r';
        return to;
      case '\t':
        *to++ = '\\', *to++ = 't';
        return to;
      default:
        return put_unicode_escape(to, static_cast<uint8_t>(c));
    }
  }
  const Utf8Sequence sequence = read_utf8(from, static_cast<size_t>(end - from));
  if (options.escape_unicode) {
    if (sequence.code_point >= 0x10000) {
      const uint32_t bits = sequence.code_point - 0x10000;
      to = put_unicode_escape(to, 0xd800 + (bits >> 10));
      to = put_unicode_escape(to, 0xdc00 + (bits & 0x3ff));
    } else {
      to = put_unicode_escape(to, sequence.code_point);
    }
  } else if (sequence.valid) {
    for (int i = 0; i < sequence.bytes; ++i) *to++ = from[i];
  } else {
    *to++ = '\xef', *to++ = '\xbf', *to++ = '\xbd';
  }
  from += sequence.bytes;
  return to;
}

void put_string(OutputBuffer& out, std::string_view text, JsonOptions options) {
  // Room for the text unescaped, the quotes and one escape; each escape makes room for the rest
  // again.
  out.reserve(text.size());
  char* to = out.at();
  *to++ = '"';
  const char* from = text.data();
  const char* end = from + text.size();
  while (true) {
    copy_plain(from, end, to);
    if (from == end) break;
    do {
      if (!options.escape_unicode) copy_three_byte_characters(from, end, to);
      if (from == end || !is_special(*from)) break;
      to = put_special(from, end, to, options);
      out.advance_to(to);
      out.reserve(static_cast<size_t>(end - from));
      to = out.at();
    } while (from != end && is_special(*from));
  }
  *to++ = '"';
  out.advance_to(to);
}

#if defined(__SSE2__)
// put_string() for text of up to 32 bytes with 32 readable bytes from its beginning on: nearly
// every key and most values, written without asking how long they are. False: there is more to it
// than plain text, and nothing was written.
bool put_short_plain(OutputBuffer& out, std::string_view text) {
  static_assert(OutputBuffer::kSlack >= 32 + 2);
  const auto* const from = reinterpret_cast<const __m128i*>(text.data());
  const __m128i low = _mm_loadu_si128(from), high = _mm_loadu_si128(from + 1);
  const uint64_t special = special_mask(low) | uint64_t{special_mask(high)} << 16;
  if ((special & ((uint64_t{1} << text.size()) - 1)) != 0) return false;
  out.reserve(0);
  char* const to = out.at();
  *to = '"';
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 1), low);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 17), high);
  to[text.size() + 1] = '"';
  out.advance_to(to + text.size() + 2);
  return true;
}
#endif

template <typename Integer>
void put_integer(OutputBuffer& out, Integer value) {
  out.reserve(0);
  out.advance_to(std::to_chars(out.at(), out.at() + OutputBuffer::kSlack, value).ptr);
}

// A number of up to three decimals (durations, ratios, prices): its thousandfold is an integer.
// Such a decimal of at most 15 digits that reads back as the same double is the shortest one, and
// as it has decimals, no exponent makes it shorter: what std::to_chars() finds out in ten times as
// long.
char* put_three_decimals(char* to, double value) {
  constexpr double kBelow = 1e12;  // 15 digits with the decimals
  if (!(std::abs(value) < kBelow)) return nullptr;
  const auto thousandfold = static_cast<int64_t>(value * 1000 + (value < 0 ? -0.5 : 0.5));
  if (static_cast<double>(thousandfold) / 1000 != value || thousandfold % 1000 == 0) return nullptr;
  if (value < 0) *to++ = '-';
  const auto digits = static_cast<uint64_t>(thousandfold < 0 ? -thousandfold : thousandfold);
  to = std::to_chars(to, to + OutputBuffer::kSlack, digits / 1000).ptr;
  const auto decimals = static_cast<unsigned>(digits % 1000);
  *to++ = '.';
  *to++ = static_cast<char>('0' + decimals / 100);
  if (decimals % 100 == 0) return to;
  *to++ = static_cast<char>('0' + decimals / 10 % 10);
  if (decimals % 10 == 0) return to;
  *to++ = static_cast<char>('0' + decimals % 10);
  return to;
}

void put_number(OutputBuffer& out, double value) {
  if (!std::isfinite(value)) return out.text("null");
  out.reserve(0);
  char* begin = out.at();
  if (char* const end = put_three_decimals(begin, value)) return out.advance_to(end);
  char* end = std::to_chars(begin, begin + OutputBuffer::kSlack, value).ptr;
  // A reader must see that it was a float: 1 becomes 1.0.
  if (std::string_view(begin, static_cast<size_t>(end - begin)).find_first_not_of("-0123456789") ==
      std::string_view::npos) {
    *end++ = '.', *end++ = '0';
  }
  out.advance_to(end);
}

void put_base64(OutputBuffer& out, std::string_view bytes) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    uint32_t group = static_cast<uint8_t>(bytes[i]) << 16;
    if (left > 1) group |= static_cast<uint8_t>(bytes[i + 1]) << 8;
    if (left > 2) group |= static_cast<uint8_t>(bytes[i + 2]);
    out.byte(kAlphabet[group >> 18]);
    out.byte(kAlphabet[group >> 12 & 63]);
    out.byte(left > 1 ? kAlphabet[group >> 6 & 63] : '=');
    out.byte(left > 2 ? kAlphabet[group & 63] : '=');
  }
}

void put_extension(OutputBuffer& out, const MsgpackToken& token) {
  if (token.extension_type == msgpack_format::kEventTime &&
      token.bytes.size() == msgpack_format::kEventTimeBytes) {
    const unsigned long long seconds =
        msgpack_format::load_big_endian<uint32_t>(token.bytes.data());
    const auto nanoseconds = msgpack_format::load_big_endian<uint32_t>(token.bytes.data() + 4);
    // A billion nanoseconds and more are seconds, as everywhere else (time_of_token()).
    constexpr uint32_t kNanosecondsPerSecond = 1'000'000'000;
    char text[32];
    const int size =
        std::snprintf(text, sizeof text, "%llu.%09u", seconds + nanoseconds / kNanosecondsPerSecond,
                      nanoseconds % kNanosecondsPerSecond);
    return out.text({text, static_cast<size_t>(size)});
  }
  out.text("{\"type\":");
  put_integer(out, static_cast<int>(token.extension_type));
  out.text(",\"data\":\"");
  put_base64(out, token.bytes);
  out.text("\"}");
}

// Text whose size stands in its first or second byte: nearly every key, and most values. False: it
// is something else, and `at` is where it was.
bool take_short_text(const char*& at, const char* end, std::string_view& text) {
  const auto room = static_cast<size_t>(end - at);
  if (room < 2) return false;
  const auto first = static_cast<uint8_t>(at[0]);
  size_t head = 1, size = first & 0x1f;
  if (first == msgpack_format::kString8) {
    head = 2, size = static_cast<uint8_t>(at[1]);
  } else if ((first & 0xe0) != msgpack_format::kFixString) {
    return false;
  }
  if (room < head + size) return false;
  text = {at + head, size};
  at += head + size;
  return true;
}

class ValueWriter {
 public:
  ValueWriter(OutputBuffer& out, std::string_view msgpack, JsonOptions options)
      : out_(out), at_(msgpack.data()), end_(msgpack.data() + msgpack.size()), options_(options) {}

  [[nodiscard]] bool at_end() const { return at_ == end_; }

  // `depth`: arrays and maps around this value.
  std::optional<MsgpackError> value(uint32_t depth) {
    std::string_view text;
    if (take_short_text(at_, end_, text)) {
      short_text(text);
      return std::nullopt;
    }
    return other_value(depth);
  }

  std::optional<MsgpackError> other_value(uint32_t depth) {
    MsgpackToken token;
    if (const auto error = decode(at_, end_, token)) return error;
    switch (token.type) {
      case MsgpackType::Nil:
        out_.text("null");
        break;
      case MsgpackType::Bool:
        out_.text(token.boolean ? "true" : "false");
        break;
      case MsgpackType::UnsignedInteger:
        put_integer(out_, token.unsigned_integer);
        break;
      case MsgpackType::NegativeInteger:
        put_integer(out_, token.negative_integer);
        break;
      case MsgpackType::Float:
        put_number(out_, token.number);
        break;
      case MsgpackType::String:
      case MsgpackType::Binary:
        put_string(out_, token.bytes, options_);
        break;
      case MsgpackType::Extension:
        put_extension(out_, token);
        break;
      case MsgpackType::Array: {
        if (depth == kMsgpackDepthMax) return MsgpackError::TooDeep;
        out_.reserve(0);
        out_.byte('[');
        for (uint32_t i = 0; i < token.count; ++i) {
          out_.reserve(0);
          if (i > 0) out_.byte(',');
          if (const auto error = value(depth + 1)) return error;
        }
        out_.reserve(0);
        out_.byte(']');
        break;
      }
      case MsgpackType::Map: {
        if (depth == kMsgpackDepthMax) return MsgpackError::TooDeep;
        out_.reserve(0);
        out_.byte('{');
        if (const auto error = pairs(token.count, depth + 1, false, {}, nullptr)) return error;
        out_.reserve(0);
        out_.byte('}');
        break;
      }
    }
    return std::nullopt;
  }

  // The pairs of a map without its braces. `comma`: something stands before the first. Sets `found`
  // if a key is `wanted`.
  std::optional<MsgpackError> pairs(uint32_t count, uint32_t depth, bool comma,
                                    std::string_view wanted, bool* found) {
    for (uint32_t i = 0; i < count; ++i) {
      out_.reserve(0);
      if (comma) out_.byte(',');
      comma = true;
      std::string_view key;
      if (take_short_text(at_, end_, key)) {
        short_text(key);
        if (found != nullptr && key == wanted) *found = true;
      } else if (const auto error = other_key(depth, wanted, found)) {
        return error;
      }
      out_.reserve(0);
      out_.byte(':');
      if (const auto error = value(depth)) return error;
    }
    return std::nullopt;
  }

  std::optional<MsgpackError> map_head(uint32_t& count) {
    MsgpackToken token;
    if (const auto error = decode(at_, end_, token)) return error;
    if (token.type != MsgpackType::Map) return MsgpackError::WrongType;
    count = token.count;
    return std::nullopt;
  }

 private:
  // `text` lies before end_.
  void short_text(std::string_view text) {
#if defined(__SSE2__)
    if (text.size() <= 32 && end_ - text.data() >= 32 && put_short_plain(out_, text)) return;
#endif
    put_string(out_, text, options_);
  }

  std::optional<MsgpackError> other_key(uint32_t depth, std::string_view wanted, bool* found) {
    const char* before = at_;
    MsgpackToken key;
    if (const auto error = decode(at_, end_, key)) return error;
    if (key.type != MsgpackType::String && key.type != MsgpackType::Binary) {
      at_ = before;
      return key_as_string(depth);
    }
    put_string(out_, key.bytes, options_);
    if (found != nullptr && key.bytes == wanted) *found = true;
    return std::nullopt;
  }

  // A map whose keys are no strings is rare: the detour over a string of its own is good enough.
  std::optional<MsgpackError> key_as_string(uint32_t depth) {
    const char* const begin = at_;
    std::string text;
    OutputBuffer key_out(text, 32);
    ValueWriter writer(key_out, {at_, static_cast<size_t>(end_ - at_)}, options_);
    writer.in_key_ = true;
    if (const auto error = writer.value(depth)) return error;
    key_out.close();
    at_ = writer.at_;
    // Text in text in text: every quote's escape is escaped again, so that each level doubles it,
    // and forty bytes would become a gigabyte.
    if (in_key_ && (text.front() == '[' || text.front() == '{')) {
      out_.reserve(0);
      out_.byte('"');
      put_base64(out_, {begin, static_cast<size_t>(at_ - begin)});
      out_.reserve(0);
      out_.byte('"');
      return std::nullopt;
    }
    put_string(out_, text, options_);
    return std::nullopt;
  }

  OutputBuffer& out_;
  const char* at_;
  const char* end_;
  JsonOptions options_;
  bool in_key_ = false;  // what is written will be the text of a key
};

size_t estimated_json(std::string_view msgpack) { return msgpack.size() + msgpack.size() / 4; }

}  // namespace

MsgpackStatus write_json(std::string& out, std::string_view msgpack, JsonOptions options) {
  OutputBuffer output(out, estimated_json(msgpack));
  ValueWriter writer(output, msgpack, options);
  auto error = writer.value(0);
  if (!error && !writer.at_end()) error = MsgpackError::Malformed;
  if (error) {
    output.discard();
    return std::unexpected(*error);
  }
  output.close();
  return {};
}

void write_json_string(std::string& out, std::string_view text, JsonOptions options) {
  OutputBuffer output(out, text.size());
  put_string(output, text, options);
  output.close();
}

void write_json_number(std::string& out, double value) {
  OutputBuffer output(out, 0);
  put_number(output, value);
  output.close();
}

MsgpackStatus write_ndjson_record(std::string& out, const NdjsonOptions& options, Timestamp time,
                                  std::string_view record) {
  OutputBuffer output(out, estimated_json(record) + options.date_key.size() + 40);
  ValueWriter writer(output, record, options.json);
  uint32_t pairs = 0;
  auto error = writer.map_head(pairs);
  const bool with_date = !options.date_key.empty();
  bool own_date = false;
  output.byte('{');
  size_t date_end = output.position();
  if (with_date) {
    put_string(output, options.date_key, options.json);
    output.byte(':');
    put_date(output, options.date_format, time);
    date_end = output.position();
  }
  if (!error) {
    error = writer.pairs(pairs, 1, with_date, options.date_key, with_date ? &own_date : nullptr);
  }
  if (!error && !writer.at_end()) error = MsgpackError::Malformed;
  if (error) {
    output.discard();
    return std::unexpected(*error);
  }
  if (own_date) output.erase(1, date_end + 1);  // the comma too
  output.reserve(0);
  output.byte('}');
  output.byte('\n');
  output.close();
  return {};
}

}  // namespace noroshi
