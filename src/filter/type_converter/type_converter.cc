#include "filter/type_converter/type_converter.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/log.h"
#include "config/place_in.h"
#include "filter/chunk_rewriter.h"
#include "filter/words.h"
#include "record/ascii.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi {

const OptionTable<TypeConverterOptions>& type_converter_option_table() {
  using O = TypeConverterOptions;
  static const auto table =
      OptionTable<O>("type_converter", "Writes a field's value as another type.")
          .option("int_key", &O::rules, "`KEY NEW_KEY TYPE`: an integer as string, float or uint.")
          .option("uint_key", &O::rules,
                  "The same for an integer that is not negative: string, "
                  "float or int.")
          .option("float_key", &O::rules, "A number with fraction as string, int or uint.")
          .option("str_key", &O::rules, "A text as int, uint, float, hex or bool.");
  return table;
}

namespace {

enum class Type { Integer, Unsigned, Float, String, Hex, Bool };

struct Rule {
  Type from;
  Type to;
  RecordAccessor key;
  std::string new_key;
  std::string new_key_bytes;
};

std::optional<Type> type_of(std::string_view word) {
  const std::string lower = to_lower(word);
  if (lower == "int" || lower == "integer") return Type::Integer;
  if (lower == "uint") return Type::Unsigned;
  if (lower == "float") return Type::Float;
  if (lower == "string" || lower == "str") return Type::String;
  if (lower == "hex") return Type::Hex;
  if (lower == "bool") return Type::Bool;
  return std::nullopt;
}

bool converts(Type from, Type to) {
  if (from == to) return false;
  if (from == Type::String) return true;
  return to != Type::Hex && to != Type::Bool;
}

// The number a text begins with, as strtol reads it.
template <typename T, typename... Base>
std::optional<T> number_of(std::string_view text, Base... base) {
  while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text.remove_prefix(1);
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base...);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

// Appends the value as `to`; false, and nothing appended, if it cannot be.
bool append_converted(std::string& out, std::string_view value, const Rule& rule) {
  const auto token = MsgpackReader(value).next();
  if (!token) return false;
  MsgpackWriter writer(out);
  const auto write_number = [&](double number, Type to) {
    // 2^63 and 2^64: what does not fit is not converted.
    if (to == Type::Integer && number >= -0x1p63 && number < 0x1p63)
      return writer.integer(static_cast<int64_t>(number)), true;
    if (to == Type::Unsigned && number > -1 && number < 0x1p64)
      return writer.unsigned_integer(static_cast<uint64_t>(number)), true;
    return false;
  };
  switch (rule.from) {
    case Type::String: {
      if (token->type != MsgpackType::String) return false;
      std::string_view text = token->bytes;
      if (rule.to == Type::Bool) {
        const std::string lower = to_lower(text.substr(0, 5));
        const bool yes = lower.starts_with("true");
        if (!yes && !lower.starts_with("false")) return false;
        return writer.boolean(yes), true;
      }
      if (rule.to == Type::Float) {
        const auto number = number_of<double>(text);
        if (!number) return false;
        return writer.number(*number), true;
      }
      if (rule.to == Type::Integer) {
        const auto number = number_of<int64_t>(text);
        if (!number) return false;
        return writer.integer(*number), true;
      }
      if (rule.to == Type::Hex && (text.starts_with("0x") || text.starts_with("0X"))) {
        text.remove_prefix(2);
      }
      const auto number = number_of<uint64_t>(text, rule.to == Type::Hex ? 16 : 10);
      if (!number) return false;
      return writer.unsigned_integer(*number), true;
    }
    case Type::Integer:
    case Type::Unsigned: {
      const bool negative = token->type == MsgpackType::NegativeInteger;
      if (token->type != MsgpackType::UnsignedInteger && !(negative && rule.from == Type::Integer))
        return false;
      if (rule.to == Type::String) {
        return writer.string(negative ? fmt::format("{}", token->negative_integer)
                                      : fmt::format("{}", token->unsigned_integer)),
               true;
      }
      if (rule.to == Type::Float) {
        return writer.number(negative ? static_cast<double>(token->negative_integer)
                                      : static_cast<double>(token->unsigned_integer)),
               true;
      }
      if (negative || (rule.to == Type::Integer && token->unsigned_integer > INT64_MAX))
        return false;
      return writer.raw(value), true;  // MessagePack has one form for both
    }
    case Type::Float:
      if (token->type != MsgpackType::Float) return false;
      if (rule.to == Type::String) {
        const bool whole =
            std::abs(token->number) < 0x1p63 && std::trunc(token->number) == token->number;
        return writer.string(whole ? fmt::format("{:.1f}", token->number)
                                   : fmt::format("{:.16g}", token->number)),
               true;
      }
      return write_number(token->number, rule.to);
    default:
      return false;
  }
}

class TypeConverterFilter final : public Filter {
 public:
  TypeConverterFilter(std::vector<Rule> rules, std::string name,
                      std::shared_ptr<FilterCounter> failed)
      : rules_(std::move(rules)), name_(std::move(name)), failed_(std::move(failed)) {}

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics&) override {
    rewriter_.begin(chunk);
    bool changed = false;
    for (const RecordEntry& entry : chunk.records) {
      record_.assign(chunk.view().record(entry));
      bool converted = false;
      for (const Rule& rule : rules_) converted |= convert(rule);
      if (converted) {
        rewriter_.begin_record(entry).append(record_);
        rewriter_.end_record(entry.time);
        changed = true;
      } else {
        rewriter_.keep(entry);
      }
    }
    if (changed) rewriter_.finish();
  }

 private:
  // Gives record_ the new field, in the place of one of that key.
  bool convert(const Rule& rule) {
    const auto value = rule.key.find(record_);
    if (!value) return false;
    converted_.clear();
    if (!append_converted(converted_, *value, rule)) {
      failed_->counter.add();
      if (const uint64_t times = episode_.admit()) {
        log_warn(fmt::format("filter:{}", name_),
                 "the value of {} is not of the type the rule converts: it stays as it is ({} "
                 "times)",
                 rule.key.text(), times);
      }
      converted_.assign(*value);
    }
    out_.assign(1, '\x80');
    uint32_t count = 0;
    bool placed = false;
    const auto place = [&] {
      out_.append(rule.new_key_bytes).append(converted_);
      ++count;
      placed = true;
    };
    MapPairs pairs(record_);
    for (MapPair pair; pairs.next(pair);) {
      if (pair.name.data() != nullptr && pair.name == rule.new_key) {
        if (!placed) place();
        continue;
      }
      out_.append(pair.bytes());
      ++count;
    }
    if (!placed) place();
    set_map_pairs(out_, 0, count);
    record_.swap(out_);
    return true;
  }

  const std::vector<Rule> rules_;
  const std::string name_;
  const std::shared_ptr<FilterCounter> failed_;
  LogEpisode episode_;
  ChunkRewriter rewriter_;
  std::string record_, out_, converted_;
};

std::optional<Rule> parse_rule(const LocatedText& line, Diagnostics& diagnostics) {
  const auto words = split_words(line, "\"", 4, diagnostics);
  if (!words) return std::nullopt;
  if (words->size() != 3) {
    diagnostics.error(line.where, fmt::format("{} takes KEY NEW_KEY TYPE", line.name));
    return std::nullopt;
  }
  const Type from = line.name == "int_key"     ? Type::Integer
                    : line.name == "uint_key"  ? Type::Unsigned
                    : line.name == "float_key" ? Type::Float
                                               : Type::String;
  auto key = accessor_of_word(line, (*words)[0], diagnostics);
  const Word& type_word = (*words)[2];
  const auto to = type_of(type_word.text);
  if (!to || !converts(from, *to)) {
    diagnostics
        .error(place_in(line, type_word.index, type_word.length),
               fmt::format("{} cannot make \"{}\"", line.name, type_word.text))
        .help(from == Type::String ? "a text becomes int, uint, float, hex or bool"
                                   : "a number becomes string, float, int or uint");
    return std::nullopt;
  }
  if (!key) return std::nullopt;
  Rule rule{.from = from,
            .to = *to,
            .key = std::move(*key),
            .new_key = (*words)[1].text,
            .new_key_bytes = {}};
  MsgpackWriter(rule.new_key_bytes).string(rule.new_key);
  return rule;
}

std::optional<MadeFilter> make(const Section& section, const FilterContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const TypeConverterOptions options = type_converter_option_table().parse(section, diagnostics);
  std::vector<Rule> rules;
  for (const LocatedText& line : options.rules) {
    if (auto rule = parse_rule(line, diagnostics)) rules.push_back(std::move(*rule));
  }
  if (options.rules.empty()) {
    diagnostics.error(section.where, "filter type_converter has no rule")
        .help("for example: int_key id id_str string");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  auto failed = std::make_shared<FilterCounter>();
  failed->family = "noroshi_filter_conversion_failures_total";
  failed->help = "Values that could not be converted and stayed as they were.";
  MadeFilter made;
  made.description = fmt::format("{} conversions", rules.size());
  made.counters = {failed};
  made.filter = std::make_unique<TypeConverterFilter>(std::move(rules), context.instance_name,
                                                      std::move(failed));
  return made;
}

}  // namespace

const FilterPlugin kTypeConverterFilter = {
    .name = "type_converter",
    .summary = "Writes a field's value as another type.",
    .options = [] { return type_converter_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
