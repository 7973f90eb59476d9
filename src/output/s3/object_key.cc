#include "output/s3/object_key.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "aws/sigv4.h"
#include "record/utf8.h"

namespace noroshi {
namespace {

// A directory that changes by the hour is rendered once an hour. Zones differ from UTC by multiples
// of 15 minutes.
constexpr Seconds kZoneStep = std::chrono::minutes(15);
// The longest text any one conversion gives ("September", "2026", "+0000", a zone's name).
constexpr size_t kTimeTextMax = 32;
constexpr size_t kIndexTextMax = 20;
constexpr size_t kTagBytesMin = 16;
constexpr size_t kTagBytesMax = 512;

constexpr std::string_view kExtensions[] = {".json", ".jsonl", ".ndjson", ".log", ".txt",
                                            ".gz",   ".gzip",  ".zst",    ".zstd"};

// Where the known extensions at the end of `text` begin: "x.json.gz" → 1.
size_t extension_position(std::string_view text) {
  size_t end = text.size();
  while (true) {
    const auto* found = std::find_if(
        std::begin(kExtensions), std::end(kExtensions),
        [&](std::string_view extension) { return text.substr(0, end).ends_with(extension); });
    if (found == std::end(kExtensions)) return end;
    end -= found->size();
  }
}

// S3 keys are UTF-8, and control characters cannot be listed as XML.
std::string valid_key_text(std::string_view text, size_t bytes_max) {
  std::string result;
  while (!text.empty()) {
    const Utf8Sequence sequence = read_utf8(text.data(), text.size());
    const bool keep = sequence.valid && sequence.code_point >= 0x20 && sequence.code_point != 0x7f;
    const std::string_view piece = keep ? text.substr(0, sequence.bytes) : std::string_view("_");
    if (result.size() + piece.size() > bytes_max) break;
    result += piece;
    text.remove_prefix(sequence.bytes);
  }
  return result;
}

// Seconds for which a conversion's text stays the same; 0: not a conversion.
Seconds step_of(char conversion) {
  static constexpr std::string_view kSecond = "SsTcrX";
  static constexpr std::string_view kMinute = "MR";
  static constexpr std::string_view kHour = "HIklpPzZ";
  static constexpr std::string_view kDay = "aAbBCdDeFgGhjmuUVwWxyY";
  if (kSecond.find(conversion) != std::string_view::npos) return Seconds(1);
  if (kMinute.find(conversion) != std::string_view::npos) return Seconds(60);
  if (kHour.find(conversion) != std::string_view::npos) return Seconds(3600);
  if (kDay.find(conversion) != std::string_view::npos) return Seconds(86400);
  return Seconds(0);
}

std::string_view tag_part(std::string_view tag, std::string_view delimiters, uint32_t index,
                          bool& found) {
  for (uint32_t i = 0;; ++i) {
    const size_t end = tag.find_first_of(delimiters);
    if (i == index) {
      found = true;
      return tag.substr(0, end);
    }
    if (end == std::string_view::npos) {
      found = false;
      return {};
    }
    tag = tag.substr(end + 1);
  }
}

}  // namespace

struct ObjectKeyFormat::Values {
  std::string_view tag;
  int64_t utc = 0;
  tm local{};
  std::string_view uuid;
  uint64_t index = 0;

  Values(std::string_view tag_text, Timestamp time, const TimeZone* zone)
      : tag(tag_text), utc(std::chrono::floor<Seconds>(time).time_since_epoch().count()) {
    const int32_t offset = zone != nullptr ? zone->offset_at(utc) : 0;
    const time_t shifted = utc + offset;
    gmtime_r(&shifted, &local);
    local.tm_gmtoff = offset;
  }
};

void ObjectKeyFormat::add_literal(std::string_view text) {
  if (tokens_.empty() || tokens_.back().kind != Kind::Literal) tokens_.push_back({});
  tokens_.back().text += text;
}

Status ObjectKeyFormat::add_time(char conversion) {
  // These hold a '/' or are shorthands: written out, so that directories are seen.
  switch (conversion) {
    case '%':
      add_literal("%");
      return {};
    case 'n':
      add_literal("\n");
      return {};
    case 't':
      add_literal("\t");
      return {};
    case 'D':
    case 'x':
      for (const char part : {'m', '/', 'd', '/', 'y'}) {
        if (part == '/')
          add_literal("/");
        else
          NOROSHI_TRY(add_time(part));
      }
      return {};
    default:
      break;
  }
  if (step_of(conversion) == Seconds(0)) {
    return fail(ErrorCode::InvalidArgument,
                std::string("\"%") + conversion +
                    "\" is no conversion of strftime; \"%%\" is a percent sign");
  }
  tokens_.push_back({Kind::Time, std::string{'%', conversion}, 0});
  return {};
}

Result<ObjectKeyFormat> ObjectKeyFormat::parse(std::string_view format, ObjectKeyOptions options) {
  ObjectKeyFormat result;
  result.options_ = std::move(options);
  if (result.options_.tag_delimiters.empty()) result.options_.tag_delimiters = ".";
  if (format.starts_with('/')) format.remove_prefix(1);
  if (format.empty()) return fail(ErrorCode::InvalidArgument, "the key is empty");
  while (!format.empty()) {
    const auto take = [&format](std::string_view word) {
      if (!format.starts_with(word)) return false;
      format.remove_prefix(word.size());
      return true;
    };
    if (take("%")) {
      if (format.empty()) return fail(ErrorCode::InvalidArgument, "a single '%' at the end");
      NOROSHI_TRY(result.add_time(format.front()));
      format.remove_prefix(1);
    } else if (take("$UUID")) {
      result.tokens_.push_back({Kind::Uuid, {}, 0});
      result.names_id_ = true;
    } else if (take("$INDEX")) {
      result.tokens_.push_back({Kind::Index, {}, 0});
    } else if (take("$TAG")) {
      const size_t close = format.find(']');
      const std::string_view digits = format.starts_with('[') && close != std::string_view::npos
                                          ? format.substr(1, close - 1)
                                          : "";
      const bool is_part = !digits.empty() && digits.size() <= 3 &&
                           digits.find_first_not_of("0123456789") == std::string_view::npos;
      if (is_part) {
        uint32_t part = 0;
        for (const char digit : digits) part = part * 10 + static_cast<uint32_t>(digit - '0');
        result.tokens_.push_back({Kind::TagPart, {}, part});
        format.remove_prefix(close + 1);
      } else {
        result.tokens_.push_back({Kind::Tag, {}, 0});
      }
    } else {
      const size_t next =
          std::max<size_t>(1, std::min(format.find_first_of("%$", 1), format.size()));
      result.add_literal(format.substr(0, next));
      format.remove_prefix(next);
    }
  }
  NOROSHI_TRY(result.split_directory());
  if (!result.names_id_ && !result.options_.allow_repeats) result.insert_id();
  NOROSHI_TRY(result.bound_tags());
  return result;
}

// Cuts the literal with the last '/' in two, and finds out how often a directory changes.
Status ObjectKeyFormat::split_directory() {
  for (size_t i = tokens_.size(); i-- > 0;) {
    if (tokens_[i].kind != Kind::Literal) continue;
    const size_t slash = tokens_[i].text.rfind('/');
    if (slash == std::string::npos) continue;
    Token rest{Kind::Literal, tokens_[i].text.substr(slash + 1), 0};
    tokens_[i].text.resize(slash + 1);
    directory_tokens_ = i + 1;
    if (!rest.text.empty())
      tokens_.insert(tokens_.begin() + static_cast<long>(i) + 1, std::move(rest));
    break;
  }
  if (directory_tokens_ == tokens_.size()) {
    return fail(ErrorCode::InvalidArgument, "the key ends with '/': it needs a file name");
  }
  for (size_t i = 0; i < directory_tokens_; ++i) {
    if (tokens_[i].kind != Kind::Time) continue;
    Seconds step = step_of(tokens_[i].text[1]);
    if (options_.zone != nullptr) step = std::min(step, kZoneStep);
    time_step_ = time_step_ == Seconds(0) ? step : std::min(time_step_, step);
  }
  return {};
}

void ObjectKeyFormat::insert_id() {
  std::string extension;
  if (tokens_.size() > directory_tokens_ && tokens_.back().kind == Kind::Literal) {
    std::string& text = tokens_.back().text;
    const size_t at = extension_position(text);
    extension = text.substr(at);
    text.resize(at);
    if (text.empty()) tokens_.pop_back();
  }
  add_literal("-");
  tokens_.push_back({Kind::Uuid, {}, 0});
  if (!extension.empty()) add_literal(extension);
}

// What is left of the key's limit is shared by the tags in it.
Status ObjectKeyFormat::bound_tags() {
  size_t fixed = 0;
  size_t tags = 0;
  for (const Token& token : tokens_) {
    switch (token.kind) {
      case Kind::Literal:
        fixed += token.text.size();
        break;
      case Kind::Time:
        fixed += kTimeTextMax;
        break;
      case Kind::Uuid:
        fixed += kUuidBytes;
        break;
      case Kind::Index:
        fixed += kIndexTextMax;
        break;
      case Kind::Tag:
      case Kind::TagPart:
        ++tags;
        break;
    }
  }
  if (fixed + tags * kTagBytesMin > kKeyBytesMax) {
    return fail(ErrorCode::InvalidArgument, "the key could be longer than S3's 1024 bytes");
  }
  tag_bytes_max_ = tags == 0 ? 0 : std::min(kTagBytesMax, (kKeyBytesMax - fixed) / tags);
  return {};
}

void ObjectKeyFormat::render_token(std::string& out, const Token& token,
                                   const Values& values) const {
  switch (token.kind) {
    case Kind::Literal:
      out += token.text;
      return;
    case Kind::Uuid:
      out += values.uuid;
      return;
    case Kind::Index:
      out += std::to_string(values.index);
      return;
    case Kind::Tag:
      out += valid_key_text(values.tag, tag_bytes_max_);
      return;
    case Kind::TagPart: {
      bool found = false;
      const std::string_view part =
          tag_part(values.tag, options_.tag_delimiters, token.part, found);
      // As Fluent Bit: what the tag does not have stays literal, so that it is seen.
      out +=
          found ? valid_key_text(part, tag_bytes_max_) : "$TAG[" + std::to_string(token.part) + "]";
      return;
    }
    case Kind::Time: {
      if (token.text == "%s") {  // strftime would take the fields for the process's own zone
        out += std::to_string(values.utc);
        return;
      }
      if (token.text == "%Z" && options_.zone == nullptr) {
        out += "UTC";
        return;
      }
      // A leading blank tells an empty text (%p in some locales) from a failure.
      std::array<char, kTimeTextMax * 4> buffer{};
      const std::string format = " " + token.text;
      const size_t size =
          std::strftime(buffer.data(), buffer.size(), format.c_str(), &values.local);
      if (size > 1) out.append(buffer.data() + 1, std::min(size - 1, kTimeTextMax));
      return;
    }
  }
}

void ObjectKeyFormat::append_group(std::string& out, std::string_view tag, Timestamp time) const {
  const Values values(tag, time, options_.zone.get());
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const Token& token = tokens_[i];
    if (token.kind == Kind::Uuid || token.kind == Kind::Index) continue;
    if (i < directory_tokens_) {
      render_token(out, token, values);
    } else if (token.kind == Kind::Tag || token.kind == Kind::TagPart) {
      out += '\n';
      render_token(out, token, values);
    }
  }
}

std::string ObjectKeyFormat::render(std::string_view tag, Timestamp time, std::string_view uuid,
                                    uint64_t index) const {
  Values values(tag, time, options_.zone.get());
  values.uuid = uuid;
  values.index = index;
  std::string key;
  for (const Token& token : tokens_) render_token(key, token, values);
  return key;
}

std::string ObjectKeyFormat::literal_prefix() const {
  return !tokens_.empty() && tokens_.front().kind == Kind::Literal ? tokens_.front().text
                                                                   : std::string();
}

std::string unique_id(std::string_view journal_id, std::string_view output, uint64_t offset,
                      Timestamp time) {
  static constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuv";
  std::string seed = "noroshi s3 object";
  for (const std::string_view part : {journal_id, output}) {
    seed += '\n' + std::to_string(part.size()) + ':';
    seed += part;
  }
  seed += '\n' + std::to_string(offset) + '\n' + std::to_string(time.time_since_epoch().count());
  const Sha256 digest = sha256(seed);
  std::string id;
  for (size_t i = 0; i < ObjectKeyFormat::kUuidBytes; ++i) id += kDigits[digest[i] & 31];
  return id;
}

}  // namespace noroshi
