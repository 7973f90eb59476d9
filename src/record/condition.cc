#include "record/condition.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/regex.h"
#include "record/ascii.h"
#include "record/json_writer.h"
#include "record/msgpack_decode.h"

namespace noroshi {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// The end of KEY: the first white space that is not inside the quotes of ['…'].
size_t key_end(std::string_view line) {
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\'' && line.front() == '$') quoted = !quoted;
    if (is_space(line[i]) && !quoted) return i;
  }
  return line.size();
}

// "/…/" with nothing but option letters behind it. "/health,/ready" is a list of two paths.
bool is_regex(std::string_view values) {
  const size_t last = values.rfind('/');
  return values.starts_with('/') && last > 0 &&
         values.substr(last + 1).find_first_not_of("imxo") == std::string_view::npos;
}

uint32_t severity_bit(Severity severity) { return 1u << static_cast<unsigned>(severity); }

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(), to_lower);
  return lowered;
}

}  // namespace

struct RecordCondition::Grep {
  RecordAccessor key;
  bool severity_key = false;
  std::vector<std::string> values;  // lower case, sorted; empty with a regex
  uint32_t severities = 0;          // bits of the values that are levels; only with a severity key
  std::optional<Regex> regex;

  // From one record to the next: levels repeat, so the answer for the last value is kept.
  struct Memory {
    std::string_view last_value = {};  // in the body of the chunk; null: none
    bool last_answer = false;
    std::string json = {};
  };

  // "level" and "$level" are the same key.
  [[nodiscard]] const std::string& key_text() const {
    return key.nested() ? key.text() : key.key();
  }

  // `value`: of the key in the record; a null pointer where it is missing.
  template <typename SeverityOf>
  [[nodiscard]] bool matches(std::string_view value, const SeverityOf& severity_of,
                             Memory& memory) const {
    if (value.data() == nullptr) return severity_key && matches_severity(severity_of());
    if (memory.last_value.data() != nullptr && memory.last_value == value)
      return memory.last_answer;
    if (const auto answer = answer_for(value, memory.json)) {
      memory.last_value = value, memory.last_answer = *answer;
      return *answer;
    }
    return severities != 0 && (severities & severity_bit(severity_of())) != 0;
  }

 private:
  [[nodiscard]] bool matches_severity(Severity severity) const {
    if (!regex) return (severities & severity_bit(severity)) != 0;
    // A pattern may be written for either spelling.
    const std::string_view name = to_string(severity);
    char capitals[16] = {};
    std::ranges::transform(name, capitals,
                           [](char c) { return static_cast<char>(c - ('a' - 'A')); });
    return regex->matches(name) || regex->matches({capitals, name.size()});
  }

  // What follows from the value alone; nothing if it is under a severity key and no level. `json`:
  // memory for its text.
  [[nodiscard]] std::optional<bool> answer_for(std::string_view value, std::string& json) const {
    MsgpackToken token;
    const char* at = value.data();
    const bool whole = !msgpack_decode::decode(at, at + value.size(), token);
    std::string_view text = token.bytes;
    if (!whole || (token.type != MsgpackType::String && token.type != MsgpackType::Binary)) {
      json.clear();
      const bool written = whole && write_json(json, value).has_value();
      text = written ? std::string_view(json) : std::string_view();
    }
    if (regex) return regex->matches(text);
    for (const std::string& wanted : values) {
      if (equal_ignoring_case(text, wanted)) return true;
    }
    if (!severity_key) return false;
    const auto severity = severity_of_value(key.key(), value);
    if (!severity) return std::nullopt;
    return (severities & severity_bit(*severity)) != 0;
  }
};

RecordCondition::RecordCondition() = default;
RecordCondition::~RecordCondition() = default;
RecordCondition::RecordCondition(RecordCondition&&) noexcept = default;
RecordCondition& RecordCondition::operator=(RecordCondition&&) noexcept = default;

void infer_severities(std::span<RecordEntry> records, std::string_view body) {
  for (RecordEntry& entry : records) {
    if (entry.severity == Severity::NotInferred) {
      entry.severity =
          infer_severity(body.substr(entry.position + entry.metadata_size, entry.size));
    }
  }
}

std::span<const std::string_view> FoundValues::of(const RecordAccessor& key,
                                                  std::span<const RecordEntry> records,
                                                  std::string_view body) {
  if (std::exchange(known_, true)) return values_;
  values_.clear();
  for (const RecordEntry& entry : records) {
    values_.push_back(
        key.find_in_whole(body.substr(entry.position + entry.metadata_size, entry.size))
            .value_or(std::string_view()));
  }
  return values_;
}

Status RecordCondition::add_grep(std::string_view line) {
  line = trimmed(line);
  const size_t end = key_end(line);
  const std::string_view values = trimmed(line.substr(end));
  if (values.empty()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("Grep {}: expected a key and its values: \"level ERROR,FATAL\" or "
                            "\"level /^err/i\"",
                            line));
  }
  NOROSHI_ASSIGN(auto key, RecordAccessor::parse(line.substr(0, end)));
  Grep grep{
      .key = std::move(key), .severity_key = false, .values = {}, .severities = 0, .regex = {}};
  grep.severity_key = !grep.key.nested() && is_severity_key(grep.key.key());
  if (is_regex(values)) {
    NOROSHI_ASSIGN(auto regex, Regex::compile(values));
    grep.regex.emplace(std::move(regex));
  } else {
    for (size_t from = 0; from <= values.size();) {
      const size_t comma = std::min(values.find(',', from), values.size());
      const std::string_view value = trimmed(values.substr(from, comma - from));
      from = comma + 1;
      if (value.empty()) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("Grep {}: there is an empty value in the list", line));
      }
      grep.values.push_back(lower(value));
      if (const auto severity = parse_severity(value); severity && grep.severity_key) {
        grep.severities |= severity_bit(*severity);
      }
    }
    std::ranges::sort(grep.values);
    const auto repeated = std::ranges::unique(grep.values);
    grep.values.erase(repeated.begin(), repeated.end());
  }
  greps_.push_back(std::move(grep));
  return {};
}

Status RecordCondition::set_level_min(std::string_view word) {
  const auto severity = parse_severity(word);
  if (!severity) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("Level_Min {}: expected trace, debug, info, notice, warn, error, "
                            "critical, alert or fatal",
                            word));
  }
  level_min_ = severity;
  return {};
}

bool RecordCondition::always() const { return greps_.empty() && !level_min_; }

std::string RecordCondition::text() const {
  std::vector<std::string> lines;
  for (const Grep& grep : greps_) {
    std::string line = "grep ";
    write_json_string(line, grep.key_text());
    if (grep.regex) {
      line += " regex ";
      write_json_string(line, grep.regex->text());
    } else {
      for (const std::string& value : grep.values) {
        line += ' ';
        write_json_string(line, value);
      }
    }
    lines.push_back(std::move(line));
  }
  if (level_min_) lines.push_back(fmt::format("level_min {}", to_string(*level_min_)));
  std::ranges::sort(lines);
  const auto repeated = std::ranges::unique(lines);
  lines.erase(repeated.begin(), repeated.end());
  std::string text;
  for (const std::string& line : lines) text.append(line).append("\n");
  return text;
}

std::vector<std::string> RecordCondition::keys() const {
  std::vector<std::string> keys;
  for (const Grep& grep : greps_) keys.push_back(grep.key_text());
  std::ranges::sort(keys);
  const auto repeated = std::ranges::unique(keys);
  keys.erase(repeated.begin(), repeated.end());
  return keys;
}

void RecordCondition::evaluate(std::span<RecordEntry> records, std::string_view body,
                               Bitmap& selected, SharedLookups* lookups) const {
  const auto count = static_cast<uint32_t>(records.size());
  selected.reset(count, !level_min_);
  if (level_min_) {
    infer_severities(records, body);
    for (uint32_t i = 0; i < count; ++i) selected.set(i, records[i].severity >= *level_min_);
  }
  for (const Grep& grep : greps_) {
    Grep::Memory memory;
    std::span<const std::string_view> found;
    if (lookups != nullptr) {
      if (const auto shared = lookups->find(grep.key_text()); shared != lookups->end())
        found = shared->second.of(grep.key, records, body);
    }
    selected.keep_if([&](uint32_t i) {
      RecordEntry& entry = records[i];
      const auto record = [&] {
        return body.substr(entry.position + entry.metadata_size, entry.size);
      };
      const auto severity_of = [&] {
        if (entry.severity == Severity::NotInferred) entry.severity = infer_severity(record());
        return entry.severity;
      };
      const std::string_view value =
          found.empty() ? grep.key.find_in_whole(record()).value_or(std::string_view()) : found[i];
      return grep.matches(value, severity_of, memory);
    });
  }
}

bool RecordCondition::matches(std::string_view record, Severity severity) const {
  if (level_min_ && severity < *level_min_) return false;
  return std::ranges::all_of(greps_, [&](const Grep& grep) {
    Grep::Memory memory;
    const auto value = grep.key.find_in_whole(record).value_or(std::string_view());
    return grep.matches(value, [&] { return severity; }, memory);
  });
}

}  // namespace noroshi
