#include "record/record_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/regex.h"
#include "record/ascii.h"
#include "record/json_writer.h"
#include "record/record_accessor.h"

namespace noroshi {
namespace {

enum class Operator : uint8_t { Eq, Neq, Gt, Lt, Gte, Lte, Regex, NotRegex, In, NotIn };

constexpr std::array<std::string_view, 10> kOperators{"eq",  "neq",   "gt",        "lt", "gte",
                                                      "lte", "regex", "not_regex", "in", "not_in"};

std::optional<Operator> operator_of(std::string_view name) {
  for (size_t i = 0; i < kOperators.size(); ++i) {
    if (equal_ignoring_case(kOperators[i], name)) return static_cast<Operator>(i);
  }
  return std::nullopt;
}

// The whole text as a finite number.
std::optional<double> number_of(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(number)) return {};
  return number;
}

}  // namespace

struct RecordRules::Rule {
  RecordAccessor field;
  Operator op = Operator::Eq;
  Context context = Context::Body;
  std::vector<std::string> values = {};
  double number = 0;                // of gt, lt, gte, lte
  std::optional<Regex> regex = {};  // of regex, not_regex

  [[nodiscard]] bool holds(std::string_view record, std::string_view metadata,
                           std::string& buffer) const {
    const std::string_view map = context == Context::Body ? record : metadata;
    buffer.clear();
    if (!map.empty()) {
      if (const auto value = field.find(map)) append_value_text(buffer, *value);
    }
    const std::string_view text = buffer;
    switch (op) {
      case Operator::Eq:
        return text == values.front();
      case Operator::Neq:
        return text != values.front();
      case Operator::Regex:
        return regex->matches(text);
      case Operator::NotRegex:
        return !regex->matches(text);
      case Operator::In:
        return std::ranges::find(values, text) != values.end();
      case Operator::NotIn:
        return std::ranges::find(values, text) == values.end();
      case Operator::Gt:
      case Operator::Lt:
      case Operator::Gte:
      case Operator::Lte:
        break;
    }
    const std::optional<double> given = number_of(text);
    if (!given) return false;
    if (op == Operator::Gt) return *given > number;
    if (op == Operator::Lt) return *given < number;
    return op == Operator::Gte ? *given >= number : *given <= number;
  }

  [[nodiscard]] std::string text() const {
    std::string out = context == Context::Metadata ? "metadata " : "";
    out += field.text();
    out += fmt::format(" {} ", kOperators[static_cast<size_t>(op)]);
    if (regex) return out + "/" + regex->text() + "/";
    for (size_t i = 0; i < values.size(); ++i) {
      if (i != 0) out += ',';
      // Quoted where the text would be read in two ways.
      if (values[i].empty() || values[i].find_first_of(" ,\"\n") != std::string::npos)
        write_json_string(out, values[i]);
      else
        out += values[i];
    }
    return out;
  }
};

RecordRules::RecordRules(Join join) : join_(join) {}
RecordRules::~RecordRules() = default;
RecordRules::RecordRules(RecordRules&&) noexcept = default;
RecordRules& RecordRules::operator=(RecordRules&&) noexcept = default;

std::span<const std::string_view> RecordRules::operators() { return kOperators; }

Status RecordRules::add(std::string_view field, std::string_view op,
                        const std::vector<std::string>& values, Context context) {
  const std::optional<Operator> known = operator_of(op);
  if (!known) {
    return fail(ErrorCode::InvalidArgument, fmt::format("\"{}\" is no operator: it is one of {}",
                                                        op, fmt::join(kOperators, ", ")));
  }
  NOROSHI_ASSIGN(auto accessor, RecordAccessor::parse(field));
  Rule rule{.field = std::move(accessor), .op = *known, .context = context, .values = values};
  const bool list = *known == Operator::In || *known == Operator::NotIn;
  if (values.empty())
    return fail(ErrorCode::InvalidArgument, fmt::format("the operator {} needs a value", op));
  if (values.size() > 1 && !list) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the operator {} takes one value; a list is for in and not_in", op));
  }
  switch (*known) {
    case Operator::Gt:
    case Operator::Lt:
    case Operator::Gte:
    case Operator::Lte: {
      const std::optional<double> number = number_of(values.front());
      if (!number) {
        return fail(
            ErrorCode::InvalidArgument,
            fmt::format("the operator {} compares numbers; \"{}\" is none", op, values.front()));
      }
      rule.number = *number;
      break;
    }
    case Operator::Regex:
    case Operator::NotRegex: {
      NOROSHI_ASSIGN(auto regex, Regex::compile(values.front()));
      rule.regex.emplace(std::move(regex));
      break;
    }
    case Operator::Eq:
    case Operator::Neq:
    case Operator::In:
    case Operator::NotIn:
      break;
  }
  rules_.push_back(std::move(rule));
  return {};
}

bool RecordRules::empty() const { return rules_.empty(); }

bool RecordRules::hold(std::string_view record, std::string_view metadata) const {
  std::string buffer;
  return hold(record, metadata, buffer);
}

void RecordRules::evaluate(std::span<const RecordEntry> records, std::string_view body,
                           Bitmap& selected) const {
  selected.reset(static_cast<uint32_t>(records.size()));
  const ChunkView chunk{.records = records, .body = body};
  std::string buffer;
  for (uint32_t i = 0; i < records.size(); ++i) {
    if (hold(chunk.record(records[i]), chunk.metadata(records[i]), buffer)) selected.set(i);
  }
}

bool RecordRules::hold(std::string_view record, std::string_view metadata,
                       std::string& buffer) const {
  const auto holds = [&](const Rule& rule) { return rule.holds(record, metadata, buffer); };
  return join_ == Join::And ? std::ranges::all_of(rules_, holds)
                            : std::ranges::any_of(rules_, holds);
}

std::string RecordRules::text() const {
  std::string out;
  for (const Rule& rule : rules_) {
    if (!out.empty()) out += join_ == Join::And ? " and " : " or ";
    out += rule.text();
  }
  return out;
}

}  // namespace noroshi
