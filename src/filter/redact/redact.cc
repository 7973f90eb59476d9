#include "filter/redact/redact.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/log.h"
#include "config/place_in.h"
#include "filter/chunk_rewriter.h"
#include "filter/redact/sensitive_text.h"
#include "filter/words.h"
#include "record/ascii.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"

namespace noroshi {

const OptionTable<RedactOptions>& redact_option_table() {
  using O = RedactOptions;
  static const auto table =
      OptionTable<O>("redact", "Masks personal data and credentials in the texts of records.")
          .option("pattern", &O::patterns,
                  "Some of mail, card and token, separated by commas. Default: all three; none if "
                  "there is a regex.")
          .option("regex", &O::regexes,
                  "`NAME REGEX`: masks what matches; with a group in it, the group.")
          .option("replacement", &O::replacement, "[{pattern}]",
                  "What stands there instead. {pattern} is the pattern's name. * masks each "
                  "character and keeps the last four digits of a card number.")
          .option("keys", &O::keys,
                  "Fields to look at, separated by commas: log, $user['mail']. Default: every text "
                  "in the record, however deep.");
  return table;
}

namespace {

constexpr size_t kPatternsMax = 100;
constexpr size_t kCardDigitsKept = 4;

struct Pattern {
  enum class Kind { Mail, Card, Token, Regex } kind = Kind::Mail;
  std::string name;
  std::optional<Regex> regex = {};
  std::string replacement = {};
  std::shared_ptr<FilterCounter> masked = {};
};

class RedactFilter final : public Filter {
 public:
  RedactFilter(std::vector<Pattern> patterns, bool characterwise, std::vector<RecordAccessor> keys,
               std::string name)
      : patterns_(std::move(patterns)),
        characterwise_(characterwise),
        keys_(std::move(keys)),
        name_(std::move(name)) {}

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics&) override {
    // Records in front of the first that is masked are not copied until it is found.
    bool changed = false;
    for (size_t i = 0; i < chunk.records.size(); ++i) {
      const RecordEntry& entry = chunk.records[i];
      masked_.clear();
      copied_ = 0;
      const std::string_view record = chunk.view().record(entry);
      mask_record(record);
      if (copied_ == 0) {
        if (changed) rewriter_.keep(entry);
        continue;
      }
      if (!changed) {
        rewriter_.begin(chunk);
        for (size_t before = 0; before < i; ++before) rewriter_.keep(chunk.records[before]);
        changed = true;
      }
      rewriter_.begin_record(entry).append(masked_).append(record.substr(copied_));
      rewriter_.end_record(entry.time);
    }
    if (changed) rewriter_.finish();
  }

 private:
  // Fills masked_ with the record up to copied_; copied_ stays 0 if there is nothing to mask.
  void mask_record(std::string_view record) {
    if (keys_.empty()) return mask_value(record, 0, record);
    values_.clear();
    for (const RecordAccessor& key : keys_) {
      if (const auto value = key.find(record)) {
        values_.emplace_back(static_cast<size_t>(value->data() - record.data()), value->size());
      }
    }
    std::ranges::sort(values_);
    size_t end = 0;
    for (const auto& [begin, size] : values_) {
      if (begin < end) continue;  // inside one that was looked at
      mask_value(record.substr(begin, size), begin, record);
      end = begin + size;
    }
  }

  // Every text in `value`, which begins at record[begin]; keys of maps stay.
  void mask_value(std::string_view value, size_t begin, std::string_view record) {
    struct Open {
      uint64_t left;  // keys and values
      bool is_map;
    };
    std::array<Open, kMsgpackDepthMax + 1> open;
    size_t depth = 0;
    open[0] = {1, false};
    MsgpackReader reader(value);
    while (true) {
      while (open[depth].left == 0) {
        if (depth == 0) return;
        --depth;
      }
      const bool is_key = open[depth].is_map && open[depth].left % 2 == 0;
      --open[depth].left;
      const size_t at = reader.position();
      const auto token = reader.next();
      if (!token) return;
      if (token->type == MsgpackType::Map || token->type == MsgpackType::Array) {
        if (depth == kMsgpackDepthMax) return;
        const bool is_map = token->type == MsgpackType::Map;
        open[++depth] = {uint64_t{token->count} * (is_map ? 2 : 1), is_map};
        continue;
      }
      if (is_key) continue;
      if (token->type == MsgpackType::String || token->type == MsgpackType::Binary) {
        if (find(token->bytes))
          replace(token->bytes, begin + at, begin + reader.position(), record);
      } else if (token->type == MsgpackType::UnsignedInteger) {
        mask_number(token->unsigned_integer, begin + at, begin + reader.position(), record);
      }
    }
  }

  // A card number that was logged as a number.
  void mask_number(uint64_t number, size_t begin, size_t end, std::string_view record) {
    if (number < 1'000'000'000'000) return;
    char digits[20];
    const auto written = std::to_chars(digits, digits + sizeof digits, number);
    const std::string_view text(digits, static_cast<size_t>(written.ptr - digits));
    found_.clear();
    for (uint32_t i = 0; i < patterns_.size(); ++i) {
      if (patterns_[i].kind == Pattern::Kind::Card && is_card_number(text)) {
        found_.push_back({0, text.size(), i});
        return replace(text, begin, end, record);
      }
    }
  }

  bool find(std::string_view text) {
    found_.clear();
    for (uint32_t i = 0; i < patterns_.size(); ++i) {
      switch (patterns_[i].kind) {
        case Pattern::Kind::Mail:
          find_mail(text, i, found_);
          break;
        case Pattern::Kind::Card:
          find_cards(text, i, found_);
          break;
        case Pattern::Kind::Token:
          find_tokens(text, i, found_);
          break;
        case Pattern::Kind::Regex:
          find_regex(text, i);
          break;
      }
    }
    if (found_.empty()) return false;
    if (found_.size() > 1) merge_ranges(found_);
    return true;
  }

  void find_regex(std::string_view text, uint32_t pattern) {
    size_t from = 0;
    while (from < text.size()) {
      const RegexOutcome outcome = patterns_[pattern].regex->search(text.substr(from), match_);
      if (outcome == RegexOutcome::NoMatch) return;
      if (outcome == RegexOutcome::LimitReached) {
        // It cannot be said what is in there: rather too much is masked than too little.
        found_.push_back({from, text.size(), pattern});
        if (const uint64_t times = episode_.admit()) {
          log_warn(fmt::format("filter:{}", name_),
                   "regex {} took too long on a text of {} bytes: all of it is masked ({} times)",
                   patterns_[pattern].name, text.size(), times);
        }
        return;
      }
      const bool grouped = match_.size() > 1 && match_[1].data() != nullptr;
      const std::string_view hit = grouped ? match_[1] : match_[0];
      const auto begin = static_cast<size_t>(hit.data() - text.data());
      if (!hit.empty()) found_.push_back({begin, begin + hit.size(), pattern});
      const auto end = static_cast<size_t>(match_[0].data() - text.data()) + match_[0].size();
      from = std::max(end, from + 1);
    }
  }

  // The value at record[begin, end), whose text is `text`, becomes the text with found_ masked.
  void replace(std::string_view text, size_t begin, size_t end, std::string_view record) {
    text_.clear();
    size_t at = 0;
    for (const SensitiveRange& range : found_) {
      const Pattern& pattern = patterns_[range.pattern];
      text_.append(text.substr(at, range.begin - at));
      const std::string_view secret = text.substr(range.begin, range.end - range.begin);
      if (characterwise_)
        append_stars(secret, pattern.kind == Pattern::Kind::Card);
      else
        text_.append(pattern.replacement);
      pattern.masked->counter.add();
      at = range.end;
    }
    text_.append(text.substr(at));
    masked_.append(record.substr(copied_, begin - copied_));
    MsgpackWriter(masked_).string(text_);
    copied_ = end;
  }

  void append_stars(std::string_view secret, bool card) {
    const auto digits = static_cast<size_t>(std::ranges::count_if(secret, is_digit));
    size_t seen = 0;
    for (const char c : secret) {
      if (!card) {
        // One for each character, not for each byte of UTF-8.
        if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) text_ += '*';
      } else if (!is_digit(c)) {
        text_ += c;
      } else {
        text_ += ++seen + kCardDigitsKept > digits ? c : '*';
      }
    }
  }

  const std::vector<Pattern> patterns_;
  const bool characterwise_;
  const std::vector<RecordAccessor> keys_;
  const std::string name_;
  LogEpisode episode_;
  ChunkRewriter rewriter_;
  RegexMatch match_;
  std::vector<SensitiveRange> found_;
  std::vector<std::pair<size_t, size_t>> values_;
  std::string masked_, text_;
  size_t copied_ = 0;
};

// The words between commas, each with its place.
std::vector<Word> list_words(const LocatedText& option) {
  std::vector<Word> words;
  for (size_t at = 0; at <= option.text.size();) {
    const size_t end = std::min(option.text.find(',', at), option.text.size());
    const std::string_view word = trim(std::string_view(option.text).substr(at, end - at));
    if (!word.empty()) {
      words.push_back({.text = std::string(word),
                       .index = static_cast<size_t>(word.data() - option.text.data()),
                       .length = word.size()});
    }
    at = end + 1;
  }
  return words;
}

std::vector<Pattern> read_patterns(const RedactOptions& options, Diagnostics& diagnostics) {
  std::vector<Pattern> patterns;
  const auto add = [&](Pattern pattern, const LocatedText& where) {
    const bool twice = std::ranges::any_of(
        patterns, [&](const Pattern& known) { return known.name == pattern.name; });
    if (twice || patterns.size() == kPatternsMax) {
      diagnostics.error(where.where, twice ? fmt::format("pattern {} is there twice", pattern.name)
                                           : fmt::format("more than {} patterns", kPatternsMax));
      return;
    }
    patterns.push_back(std::move(pattern));
  };
  for (const LocatedText& list : options.patterns) {
    for (const Word& word : list_words(list)) {
      const std::string name = to_lower(word.text);
      if (name != "mail" && name != "card" && name != "token") {
        diagnostics
            .error(place_in(list, word.index, word.length),
                   fmt::format("there is no pattern \"{}\"", word.text))
            .help("the patterns are mail, card and token; your own: regex NAME REGEX");
        continue;
      }
      add({.kind = name == "mail"   ? Pattern::Kind::Mail
                   : name == "card" ? Pattern::Kind::Card
                                    : Pattern::Kind::Token,
           .name = name},
          list);
    }
  }
  for (const LocatedText& line : options.regexes) {
    const auto words = split_words(line, "", 2, diagnostics);
    if (!words) continue;
    if (words->size() != 2) {
      diagnostics.error(line.where, "regex takes NAME REGEX")
          .help("for example: regex phone \\+81[0-9-]{9,}");
      continue;
    }
    auto regex = compile_word(line, (*words)[1], diagnostics);
    if (!regex) continue;
    if (regex->matches("")) {
      diagnostics.error(line.where, "this regex matches the empty text");
      continue;
    }
    add({.kind = Pattern::Kind::Regex, .name = (*words)[0].text, .regex = std::move(*regex)}, line);
  }
  if (options.patterns.empty() && options.regexes.empty()) {
    patterns.push_back({.kind = Pattern::Kind::Mail, .name = "mail"});
    patterns.push_back({.kind = Pattern::Kind::Card, .name = "card"});
    patterns.push_back({.kind = Pattern::Kind::Token, .name = "token"});
  }
  return patterns;
}

std::optional<MadeFilter> make(const Section& section, const FilterContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const RedactOptions options = redact_option_table().parse(section, diagnostics);
  std::vector<Pattern> patterns = read_patterns(options, diagnostics);
  std::vector<RecordAccessor> keys;
  for (const LocatedText& list : options.keys) {
    for (const Word& word : list_words(list)) {
      if (auto key = accessor_of_word(list, word, diagnostics)) keys.push_back(std::move(*key));
    }
  }
  if (patterns.empty() && diagnostics.error_count() == errors_before) {
    diagnostics.error(section.where, "filter redact has no pattern");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeFilter made;
  std::string names;
  for (Pattern& pattern : patterns) {
    pattern.replacement = options.replacement;
    constexpr std::string_view kName = "{pattern}";
    for (size_t at = 0; (at = pattern.replacement.find(kName, at)) != std::string::npos;) {
      pattern.replacement.replace(at, kName.size(), pattern.name);
      at += pattern.name.size();
    }
    pattern.masked = std::make_shared<FilterCounter>();
    pattern.masked->family = "noroshi_filter_redacted_total";
    pattern.masked->help = "What filter redact masked, by pattern.";
    pattern.masked->label = "pattern";
    pattern.masked->value = pattern.name;
    made.counters.push_back(pattern.masked);
    names += (names.empty() ? "" : ", ") + pattern.name;
  }
  made.description = fmt::format(
      "masks {} in {}", names, keys.empty() ? "every text" : fmt::format("{} fields", keys.size()));
  made.filter = std::make_unique<RedactFilter>(std::move(patterns), options.replacement == "*",
                                               std::move(keys), context.instance_name);
  return made;
}

}  // namespace

const FilterPlugin kRedactFilter = {
    .name = "redact",
    .summary = "Masks personal data and credentials in the texts of records.",
    .options = [] { return redact_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
