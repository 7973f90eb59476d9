// Each search begins with a byte or a run that ordinary text rarely has, found by memchr (memmem
// costs ten times as much on short texts) or by looking at every nth byte of where a run of n would
// have to be; only there the text is read.
#include "filter/redact/sensitive_text.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "record/ascii.h"

namespace noroshi {
namespace {

constexpr uint8_t kLocal = 1;   // of a mail address before the @
constexpr uint8_t kDomain = 2;  // behind it
constexpr uint8_t kNumber = 4;  // digits, and what may stand between them
constexpr uint8_t kUpper = 8;   // capitals and digits
constexpr uint8_t kToken = 16;  // RFC 6750 token68
constexpr uint8_t kBase64Url = 32;

constexpr std::array<uint8_t, 256> kClasses = [] {
  std::array<uint8_t, 256> classes{};
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    const auto is_in = [&](std::string_view set) { return set.find(c) != std::string_view::npos; };
    const bool word = is_letter(c) || is_digit(c);
    uint8_t bits = 0;
    if (word || is_in("._%+-")) bits |= kLocal;
    if (word || is_in(".-")) bits |= kDomain;
    if (is_digit(c) || is_in(" -")) bits |= kNumber;
    if (is_upper(c) || is_digit(c)) bits |= kUpper;
    if (word || is_in("-._~+/=")) bits |= kToken;
    if (word || is_in("-_")) bits |= kBase64Url;
    classes[static_cast<size_t>(i)] = bits;
  }
  return classes;
}();

bool is(char c, uint8_t bits) { return (kClasses[static_cast<unsigned char>(c)] & bits) != 0; }
bool is_word(char c) { return is_letter(c) || is_digit(c) || c == '_'; }

// Where the run of `bits` that contains `at` begins; where the one that begins at `at` ends.
size_t run_begin(std::string_view text, size_t at, uint8_t bits) {
  while (at > 0 && is(text[at - 1], bits)) --at;
  return at;
}
size_t run_end(std::string_view text, size_t at, uint8_t bits) {
  while (at < text.size() && is(text[at], bits)) ++at;
  return at;
}

size_t find_byte(std::string_view text, char c, size_t from) {
  if (from >= text.size()) return std::string_view::npos;
  const void* const hit = std::memchr(text.data() + from, c, text.size() - from);
  return hit == nullptr ? std::string_view::npos
                        : static_cast<size_t>(static_cast<const char*>(hit) - text.data());
}
// RFC 5321 §4.5.3.1; RFC 1035 §2.3.4.
constexpr size_t kLocalMax = 64;
constexpr size_t kLabelMax = 63;
constexpr size_t kLastLabelMax = 24;  // longest that is delegated today

// Bytes of `text` that are a domain with at least two labels; 0: it is none.
size_t domain_size(std::string_view text) {
  size_t end = run_end(text, 0, kDomain);
  while (end > 0 && (text[end - 1] == '.' || text[end - 1] == '-')) --end;
  size_t labels = 0, begin = 0;
  while (begin <= end) {
    const size_t dot = std::min(text.substr(0, end).find('.', begin), end);
    const std::string_view label = text.substr(begin, dot - begin);
    if (label.empty() || label.size() > kLabelMax || label.front() == '-' || label.back() == '-')
      return 0;
    ++labels;
    if (dot == end) {
      const bool last = label.size() >= 2 && label.size() <= kLastLabelMax &&
                        std::ranges::all_of(label, is_letter);
      return labels >= 2 && last ? end : 0;
    }
    begin = dot + 1;
  }
  return 0;
}

// The password of scheme://user:password@host, for one @ of a text after the other; what lies
// between two of them is read once.
class UrlPasswords {
 public:
  explicit UrlPasswords(std::string_view text) : text_(text) {}

  // Of the one that ends at text[at] == '@'; empty range: there is none. Calls go forward.
  SensitiveRange before(size_t at, uint32_t pattern) {
    // None of these is in a URL unencoded.
    size_t from = at;
    while (from > read_ && !ends_userinfo(text_[from - 1])) --from;
    if (from > read_) colon_ = std::string_view::npos;
    if (from > read_ || read_ == 0) begin_ = from;
    if (colon_ == std::string_view::npos) colon_ = find_byte(text_.substr(0, at), ':', from);
    read_ = at;
    if (begin_ < 4 || text_.substr(begin_ - 3, 3) != "://" || !is_word(text_[begin_ - 4]))
      return {};
    if (colon_ == std::string_view::npos || colon_ + 1 == at) return {};
    return {colon_ + 1, at, pattern};
  }

 private:
  static bool ends_userinfo(char c) {
    return std::string_view(" \t\r\n\"'<>/").find(c) != std::string_view::npos;
  }
  const std::string_view text_;
  size_t read_ = 0;   // up to here
  size_t begin_ = 0;  // of what may be user:password
  size_t colon_ = std::string_view::npos;
};

// Issuer identification numbers in use (ISO/IEC 7812), by length.
bool is_issued(std::string_view digits) {
  const auto number = [&](size_t count) {
    int value = 0;
    for (size_t i = 0; i < count; ++i) value = value * 10 + (digits[i] - '0');
    return value;
  };
  const size_t size = digits.size();
  const int two = number(2), three = number(3), four = number(4);
  switch (digits[0]) {
    case '4':  // Visa
      return size == 13 || size == 16 || size == 19;
    case '5':  // Mastercard; Maestro
      return (two >= 51 && two <= 55 && size == 16) || (two == 50 || (two >= 56 && two <= 58));
    case '2':  // Mastercard
      return four >= 2221 && four <= 2720 && size == 16;
    case '3':  // Amex; Diners; JCB
      return ((two == 34 || two == 37) && size == 15) ||
             ((two == 36 || two == 38 || two == 39 || (three >= 300 && three <= 305)) &&
              size >= 14) ||
             (four >= 3528 && four <= 3589 && size >= 16);
    case '6':  // Discover, UnionPay, Maestro
      return size >= 16;
    default:
      return false;
  }
}

}  // namespace

bool is_card_number(std::string_view digits) {
  if (digits.size() < 13 || digits.size() > 19 || !is_issued(digits)) return false;
  int sum = 0;
  bool twice = false;
  for (size_t i = digits.size(); i-- > 0; twice = !twice) {
    int digit = digits[i] - '0';
    if (twice && (digit *= 2) > 9) digit -= 9;
    sum += digit;
  }
  return sum % 10 == 0;
}

void find_mail(std::string_view text, uint32_t pattern, std::vector<SensitiveRange>& found) {
  UrlPasswords passwords(text);
  for (size_t at = find_byte(text, '@', 0); at != std::string_view::npos;
       at = find_byte(text, '@', at + 1)) {
    const bool is_password = passwords.before(at, pattern).end > 0;
    const size_t begin = run_begin(text, at, kLocal);
    if (is_password || begin == at || at - begin > kLocalMax) continue;
    const size_t size = domain_size(text.substr(at + 1));
    if (size == 0) continue;
    found.push_back({begin, at + 1 + size, pattern});
    at += size;
  }
}

namespace {

bool touches_word(std::string_view text, size_t begin, size_t end) {
  // "\n4111…" is an escaped line end, not a word.
  const bool escaped = begin > 1 && text[begin - 2] == '\\' && is_letter(text[begin - 1]);
  if (begin > 0 && is_word(text[begin - 1]) && !escaped) return true;
  if (begin > 1 && text[begin - 1] == '.' && is_digit(text[begin - 2])) return true;
  if (end == text.size()) return false;
  if (is_word(text[end])) return true;
  return text[end] == '.' && end + 1 < text.size() && is_digit(text[end + 1]);
}

// The size of the card number that begins at text[at], or 0. In groups: 4 digits first, then 3 to
// 6, with the same separator. The longest counts.
size_t card_size(std::string_view text, size_t at) {
  char digits[20];
  size_t count = 0, size = 0, group = 0, groups = 0;
  char separator = 0;
  for (size_t i = at;; ++i) {
    const char c = i < text.size() ? text[i] : '\0';
    if (is_digit(c)) {
      if (count == 19) return size;
      digits[count++] = c;
      ++group;
      continue;
    }
    // A group ends here.
    const bool plausible = groups == 0 ? (group == 4 || group >= 13) : group >= 3 && group <= 6;
    if (!plausible) return size;
    if (is_card_number({digits, count}) && !touches_word(text, at, i)) size = i - at;
    if (group >= 13 || (c != ' ' && c != '-') || (separator != 0 && c != separator)) return size;
    separator = c;
    group = 0;
    ++groups;
  }
}

}  // namespace

void find_cards(std::string_view text, uint32_t pattern, std::vector<SensitiveRange>& found) {
  constexpr size_t kShortest = 13;
  for (size_t probe = kShortest - 1; probe < text.size();) {
    if (!is(text[probe], kNumber)) {
      probe += kShortest;
      continue;
    }
    const size_t begin = run_begin(text, probe, kNumber);
    const size_t end = run_end(text, probe, kNumber);
    for (size_t at = begin; at + kShortest <= end;) {
      // Only at the beginning of a group.
      const bool first = is_digit(text[at]) && (at == begin || !is_digit(text[at - 1]));
      const size_t size = first ? card_size(text, at) : 0;
      if (size > 0) found.push_back({at, at + size, pattern});
      at += std::max<size_t>(size, 1);
    }
    probe = end + kShortest;
  }
}

namespace {

void find_bearer(std::string_view text, uint32_t pattern, std::vector<SensitiveRange>& found) {
  constexpr std::string_view kWord = "earer ";
  // Shorter, or without a digit, it is prose: "bearer authentication".
  constexpr size_t kTokenMin = 16;
  if (text.size() < kWord.size() + kTokenMin) return;
  for (const char initial : {'B', 'b'}) {
    for (size_t at = find_byte(text, initial, 0); at != std::string_view::npos;
         at = find_byte(text, initial, at + 1)) {
      if (text.substr(at + 1, kWord.size()) != kWord || (at > 0 && is_word(text[at - 1]))) continue;
      size_t begin = at + 1 + kWord.size();
      while (begin < text.size() && text[begin] == ' ') ++begin;
      const size_t end = run_end(text, begin, kToken);
      const std::string_view token = text.substr(begin, end - begin);
      if (token.size() >= kTokenMin && std::ranges::any_of(token, is_digit)) {
        found.push_back({begin, end, pattern});
      }
    }
  }
}

// header.payload[.signature…], the first two base64url of JSON objects: "eyJ". The capital J is
// what ordinary text has least.
void find_json_web_tokens(std::string_view text, uint32_t pattern,
                          std::vector<SensitiveRange>& found) {
  constexpr size_t kPartMin = 10;
  for (size_t at = find_byte(text, 'J', 0); at != std::string_view::npos;
       at = find_byte(text, 'J', at + 1)) {
    if (at < 2 || text[at - 1] != 'y' || text[at - 2] != 'e') continue;
    const size_t begin = at - 2;
    if (begin > 0 && is(text[begin - 1], kBase64Url)) continue;
    const size_t header = run_end(text, begin, kBase64Url);
    if (header - begin < kPartMin || header == text.size() || text[header] != '.') continue;
    size_t end = run_end(text, header + 1, kBase64Url);
    if (end - header - 1 < kPartMin) continue;
    while (end + 1 < text.size() && text[end] == '.' && is(text[end + 1], kBase64Url)) {
      end = run_end(text, end + 1, kBase64Url);
    }
    found.push_back({begin, end, pattern});
    at = end - 1;
  }
}

// docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
void find_access_keys(std::string_view text, uint32_t pattern, std::vector<SensitiveRange>& found) {
  constexpr size_t kSize = 20;
  constexpr auto kPrefixes = std::to_array<std::string_view>({"AKIA", "ASIA", "ABIA", "ACCA"});
  for (size_t probe = kSize - 1; probe < text.size();) {
    if (!is(text[probe], kUpper)) {
      probe += kSize;
      continue;
    }
    const size_t begin = run_begin(text, probe, kUpper);
    const size_t end = run_end(text, probe, kUpper);
    const std::string_view run = text.substr(begin, end - begin);
    const bool alone =
        (begin == 0 || !is_word(text[begin - 1])) && (end == text.size() || !is_word(text[end]));
    if (run.size() == kSize && alone &&
        std::ranges::find(kPrefixes, run.substr(0, 4)) != kPrefixes.end()) {
      found.push_back({begin, end, pattern});
    }
    probe = end + kSize;
  }
}

// aws_secret_access_key = "…", SecretAccessKey: …
void find_secret_keys(std::string_view text, uint32_t pattern, std::vector<SensitiveRange>& found) {
  constexpr size_t kSize = 40;
  // Found by the byte in the name that ordinary text has least.
  struct Name {
    std::string_view text;
    char rare;
    size_t rare_at;
  };
  constexpr auto kNames = std::to_array<Name>(
      {{"secret_access_key", '_', 6}, {"SECRET_ACCESS_KEY", '_', 6}, {"ecretAccessKey", 'A', 5}});
  if (text.size() < kNames[2].text.size() + 1 + kSize) return;
  for (const char rare : {'_', 'A'}) {
    for (size_t at = find_byte(text, rare, 0); at != std::string_view::npos;
         at = find_byte(text, rare, at + 1)) {
      for (const Name& name : kNames) {
        if (name.rare != rare || at < name.rare_at ||
            text.substr(at - name.rare_at, name.text.size()) != name.text) {
          continue;
        }
        const size_t name_end = at - name.rare_at + name.text.size();
        size_t begin = name_end;
        // Quotes, escaped quotes, blanks and one of = : in between.
        while (begin < text.size() && begin - name_end < 8 &&
               std::string_view("\\\"' \t=:>").find(text[begin]) != std::string_view::npos) {
          ++begin;
        }
        size_t end = begin;
        while (end < text.size() && (is_letter(text[end]) || is_digit(text[end]) ||
                                     text[end] == '/' || text[end] == '+' || text[end] == '='))
          ++end;
        if (begin > name_end && end - begin == kSize) found.push_back({begin, end, pattern});
      }
    }
  }
}

}  // namespace

void find_tokens(std::string_view text, uint32_t pattern, std::vector<SensitiveRange>& found) {
  const size_t first = found.size();
  find_bearer(text, pattern, found);
  find_json_web_tokens(text, pattern, found);
  find_access_keys(text, pattern, found);
  find_secret_keys(text, pattern, found);
  UrlPasswords passwords(text);
  for (size_t at = find_byte(text, '@', 0); at != std::string_view::npos;
       at = find_byte(text, '@', at + 1)) {
    if (const SensitiveRange range = passwords.before(at, pattern); range.end > 0) {
      found.push_back(range);
    }
  }
  if (found.size() - first < 2) return;
  std::vector<SensitiveRange> own(found.begin() + static_cast<ptrdiff_t>(first), found.end());
  merge_ranges(own);
  found.resize(first);
  found.insert(found.end(), own.begin(), own.end());
}

void merge_ranges(std::vector<SensitiveRange>& found) {
  std::ranges::sort(found, [](const SensitiveRange& a, const SensitiveRange& b) {
    if (a.begin != b.begin) return a.begin < b.begin;
    if (a.end != b.end) return a.end > b.end;
    return a.pattern < b.pattern;
  });
  size_t kept = 0;
  for (const SensitiveRange& range : found) {
    if (kept > 0 && range.begin < found[kept - 1].end) {
      found[kept - 1].end = std::max(found[kept - 1].end, range.end);
    } else {
      found[kept++] = range;
    }
  }
  found.resize(kept);
}

}  // namespace noroshi
