#include "filter/record_modifier/record_modifier.h"

#include <sys/random.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/check.h"
#include "config/place_in.h"
#include "filter/chunk_rewriter.h"
#include "filter/words.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi {

const OptionTable<RecordModifierOptions>& record_modifier_option_table() {
  using O = RecordModifierOptions;
  static const auto table =
      OptionTable<O>("record_modifier", "Adds fixed fields, removes fields, or keeps listed ones.")
          .option("record", &O::records,
                  "`KEY VALUE`: sets a field, as text, at the end of the record; \"quotes\" around "
                  "a value with blanks.")
          .option("remove_key", &O::remove_keys, "Removes a field; `PREFIX*` removes several.")
          .option("allowlist_key", &O::allowlist_keys,
                  "Removes every field that no such line names; `PREFIX*` names several.")
          .option("whitelist_key", &O::allowlist_keys, "The same as allowlist_key.")
          .option("uuid_key", &O::uuid_key, "Adds a random UUID (version 4) under this key.");
  return table;
}

namespace {

struct KeyPattern {
  std::string text;  // lower case
  bool prefix = false;

  // Fluent Bit compares without regard to case here.
  [[nodiscard]] bool matches(std::string_view name) const {
    if (prefix ? name.size() < text.size() : name.size() != text.size()) return false;
    return std::equal(text.begin(), text.end(), name.begin(), [](char pattern, char c) {
      return pattern == (c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
    });
  }
};

// Random version 4 UUIDs (RFC 9562), from the kernel 256 at a time.
class UuidSource {
 public:
  static constexpr size_t kTextSize = 36;

  void append(std::string& out) {
    if (next_ == kBytes) refill();
    std::array<unsigned char, 16> bytes{};
    std::copy_n(random_.begin() + static_cast<ptrdiff_t>(next_), 16, bytes.begin());
    next_ += 16;
    bytes[6] = static_cast<unsigned char>(0x40 | (bytes[6] & 0x0f));
    bytes[8] = static_cast<unsigned char>(0x80 | (bytes[8] & 0x3f));
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (i == 4 || i == 6 || i == 8 || i == 10) out.push_back('-');
      out.push_back(kDigits[bytes[i] >> 4]);
      out.push_back(kDigits[bytes[i] & 15]);
    }
  }

 private:
  static constexpr size_t kBytes = 4096;

  void refill() {
    for (size_t filled = 0; filled < kBytes;) {
      const ssize_t got = getrandom(random_.data() + filled, kBytes - filled, 0);
      CHECK(got > 0 || errno == EINTR, "getrandom(2) cannot fail for a valid buffer");
      filled += static_cast<size_t>(std::max<ssize_t>(got, 0));
    }
    next_ = 0;
  }

  std::array<unsigned char, kBytes> random_{};
  size_t next_ = kBytes;
};

struct Plan {
  std::vector<std::string> added_names;
  std::string added;  // the pairs of Record, MessagePack
  std::vector<KeyPattern> patterns;
  bool allowlist = false;  // patterns say what stays, not what goes
  std::string uuid_key;
};

class RecordModifierFilter final : public Filter {
 public:
  explicit RecordModifierFilter(Plan plan) : plan_(std::move(plan)) {
    for (const std::string& name : plan_.added_names) add_length(name);
    if (!plan_.uuid_key.empty()) add_length(plan_.uuid_key);
  }

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics& metrics) override {
    rewriter_.begin(chunk);
    for (const RecordEntry& entry : chunk.records) rewrite(chunk, entry, metrics);
    rewriter_.finish();
  }

 private:
  void add_length(std::string_view name) { lengths_ |= uint64_t{1} << (name.size() & 63); }

  void rewrite(const Chunk& chunk, const RecordEntry& entry, FilterMetrics& metrics) {
    const std::string_view record = chunk.view().record(entry);
    MapPairs walk(record);
    std::string& body = rewriter_.begin_record(entry);
    const size_t map = rewriter_.map_begin();
    body.append(record.substr(0, map_head_size(record)));
    uint32_t pairs = 0;
    // Neighbours that stay are copied together.
    std::string_view run;
    for (MapPair pair; walk.next(pair);) {
      if (!stays(pair)) {
        body.append(run);
        run = {};
        continue;
      }
      ++pairs;
      const std::string_view bytes = pair.bytes();
      run = run.empty() ? bytes : std::string_view(run.data(), run.size() + bytes.size());
    }
    if (!walk.ok()) {
      rewriter_.abandon_record();
      return rewriter_.keep(entry);
    }
    body.append(run);
    body.append(plan_.added);
    pairs += static_cast<uint32_t>(plan_.added_names.size());
    if (!plan_.uuid_key.empty()) {
      MsgpackWriter writer(body);
      writer.string(plan_.uuid_key);
      writer.string_header(UuidSource::kTextSize);
      uuids_.append(body);
      ++pairs;
    }
    if (pairs == 0) {  // nothing is left of it: Fluent Bit drops such a record
      rewriter_.abandon_record();
      metrics.dropped.add();
      metrics.dropped_bytes.add(entry.size);
      return;
    }
    set_map_pairs(body, map, pairs);
    rewriter_.end_record(entry.time);
  }

  [[nodiscard]] bool stays(const MapPair& pair) const {
    if (pair.name.data() == nullptr) return !plan_.allowlist;
    if (!plan_.patterns.empty()) {
      const bool named = std::any_of(plan_.patterns.begin(), plan_.patterns.end(),
                                     [&](const KeyPattern& p) { return p.matches(pair.name); });
      if (named != plan_.allowlist) return false;
    }
    // A field that is about to be added replaces the one that is there.
    if ((lengths_ >> (pair.name.size() & 63) & 1) == 0) return true;
    return pair.name != plan_.uuid_key &&
           std::find(plan_.added_names.begin(), plan_.added_names.end(), pair.name) ==
               plan_.added_names.end();
  }

  const Plan plan_;
  uint64_t lengths_ = 0;  // bit n: an added name has n (modulo 64) bytes
  ChunkRewriter rewriter_;
  UuidSource uuids_;
};

std::vector<KeyPattern> patterns_of(const std::vector<LocatedText>& lines) {
  std::vector<KeyPattern> patterns;
  for (const LocatedText& line : lines) {
    KeyPattern pattern{to_lower(line.text)};
    pattern.prefix = pattern.text.ends_with('*');
    if (pattern.prefix) pattern.text.pop_back();
    patterns.push_back(std::move(pattern));
  }
  return patterns;
}

void add_record(const LocatedText& line, Plan& plan, std::vector<std::string>& values,
                Diagnostics& diagnostics) {
  const auto words = split_words(line, "\"", 2, diagnostics);
  if (!words) return;
  if (words->size() != 2) {
    diagnostics.error(line.where, "record takes KEY VALUE");
    return;
  }
  const Word& key = (*words)[0];
  const Word& value = (*words)[1];
  if (value.text.find(' ') != std::string::npos && line.text[value.index - 1] != '"') {
    diagnostics
        .warning(place_in(line, value.index, value.length),
                 "a value with blanks and without quotes: Fluent Bit would leave out this line")
        .help(fmt::format("Record {} \"{}\"", key.text, value.text));
  }
  const auto same = std::find(plan.added_names.begin(), plan.added_names.end(), key.text);
  if (same != plan.added_names.end()) {
    diagnostics.warning(line.where,
                        fmt::format("record {} is set twice: this line is used", key.text));
    values[static_cast<size_t>(same - plan.added_names.begin())] = value.text;
    return;
  }
  plan.added_names.push_back(key.text);
  values.push_back(value.text);
}

std::optional<MadeFilter> make(const Section& section, const FilterContext&,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const RecordModifierOptions options = record_modifier_option_table().parse(section, diagnostics);
  Plan plan;
  std::vector<std::string> values;
  for (const LocatedText& line : options.records) add_record(line, plan, values, diagnostics);
  plan.uuid_key = options.uuid_key;
  plan.allowlist = !options.allowlist_keys.empty();
  if (plan.allowlist && !options.remove_keys.empty()) {
    diagnostics.error(options.remove_keys.front().where,
                      "remove_key and allowlist_key exclude each other");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;

  plan.patterns = patterns_of(plan.allowlist ? options.allowlist_keys : options.remove_keys);
  MsgpackWriter writer(plan.added);
  for (size_t i = 0; i < values.size(); ++i) {
    writer.string(plan.added_names[i]);
    writer.string(values[i]);
  }
  MadeFilter made;
  made.description =
      fmt::format("sets {} fields; {}", values.size() + (plan.uuid_key.empty() ? 0 : 1),
                  plan.patterns.empty() ? std::string("keeps the others")
                                        : fmt::format("{} {} keys or prefixes",
                                                      plan.allowlist ? "keeps only" : "removes",
                                                      plan.patterns.size()));
  for (const LocatedText& line : options.remove_keys) {
    if (!line.text.ends_with('*')) made.consumed_keys.push_back(line.text);
  }
  made.filter = std::make_unique<RecordModifierFilter>(std::move(plan));
  return made;
}

}  // namespace

const FilterPlugin kRecordModifierFilter = {
    .name = "record_modifier",
    .summary = "Adds fixed fields, removes fields, or keeps listed ones.",
    .options = [] { return record_modifier_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
