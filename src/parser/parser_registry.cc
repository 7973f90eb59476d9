#include "parser/parser_registry.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/regex.h"
#include "config/option_table.h"
#include "config/place_in.h"
#include "parser/stock_parsers.h"
#include "parser/time_format.h"

namespace noroshi {
namespace {

// A [PARSER] section as written; ParserOptions is what it means.
struct ParserSection {
  LocatedText name = {};
  std::optional<ParserFormat> format = {};
  LocatedText regex = {};
  std::string time_key = {};
  LocatedText time_format = {};
  bool time_keep = false;
  bool time_strict = true;
  LocatedText time_offset = {};
  LocatedText time_zone = {};
  bool time_system_timezone = false;
  LocatedText types = {};
  bool skip_empty_values = true;
  bool logfmt_no_bare_keys = false;
  std::vector<LocatedText> decoders = {};  // Decode_Field and Decode_Field_As in their order
};

const OptionTable<ParserSection>& parser_option_table() {
  using S = ParserSection;
  static const auto table =
      OptionTable<S>("parser", "Turns a line of text into the fields of a record.")
          .required("name", &S::name, "What filters and inputs call it.")
          .choice("format", &S::format, "",
                  {{"json", ParserFormat::Json},
                   {"regex", ParserFormat::Regex},
                   {"ltsv", ParserFormat::Ltsv},
                   {"logfmt", ParserFormat::Logfmt}},
                  "The form of the text; required.")
          .option("regex", &S::regex,
                  "With format regex: Ruby syntax; each named group is a field.")
          .option("time_key", &S::time_key, "time", "The field that has the record's time.")
          .option(
              "time_format", &S::time_format,
              "How to read it (strptime, and %L for fractions). Without it the record keeps the "
              "time of its arrival.")
          .option("time_keep", &S::time_keep, "off", "Keep the time field in the record too.")
          .option("time_strict", &S::time_strict, "on",
                  "Off: of a time that does not follow the format the part that does counts.")
          .option("time_offset", &S::time_offset, "Zone of times that name none: +0900.")
          .option("time_zone", &S::time_zone, "The same as an IANA name: Asia/Tokyo.")
          .option("time_system_timezone", &S::time_system_timezone, "off",
                  "Times that name no zone are in the zone of this machine.")
          .option("types", &S::types,
                  "Field types, `key:type …` of string, integer, float, bool, hex.")
          .option("skip_empty_values", &S::skip_empty_values, "on",
                  "With format regex: leave out groups that matched nothing.")
          .option("logfmt_no_bare_keys", &S::logfmt_no_bare_keys, "off",
                  "With format logfmt: a line with a key without value is no logfmt.")
          .option(
              "decode_field", &S::decoders,
              "`DECODER FIELD [try_next|do_next]`: adds the keys of the map in FIELD. Decoders: "
              "json, escaped, escaped_utf8, mysql_quoted.")
          .option("decode_field_as", &S::decoders, "The same, in the place of FIELD's value.");
  return table;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = text.find_first_not_of(" \t", at);
    if (begin == std::string_view::npos) break;
    const size_t end = std::min(text.find_first_of(" \t", begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    at = end;
  }
  return words;
}

// +0900, -03:30, Z.
std::optional<Seconds> parse_offset(std::string_view text) {
  if (text == "Z" || text == "z") return Seconds(0);
  if (text.size() < 5 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  std::string digits(text.substr(1));
  if (digits.size() == 5 && digits[2] == ':') digits.erase(2, 1);
  if (digits.size() != 4 ||
      !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  const int hours = (digits[0] - '0') * 10 + digits[1] - '0';
  const int minutes = (digits[2] - '0') * 10 + digits[3] - '0';
  if (hours > 24 || minutes > 59) return std::nullopt;
  return Seconds((text[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60));
}

class SectionReader {
 public:
  SectionReader(const ParserSection& section, Diagnostics& diagnostics)
      : in_(section), diagnostics_(diagnostics) {}

  ParserOptions read() {
    out_ = {.name = in_.name.text,
            .format = in_.format.value_or(ParserFormat::Json),
            .regex = in_.regex.text,
            .time_key = in_.time_key,
            .time_format = in_.time_format.text,
            .time_keep = in_.time_keep,
            .time_strict = in_.time_strict,
            .time_zone = in_.time_zone.text,
            .time_system_timezone = in_.time_system_timezone,
            .skip_empty_values = in_.skip_empty_values,
            .logfmt_no_bare_keys = in_.logfmt_no_bare_keys};
    if (!in_.format && !in_.name.text.empty()) {
      diagnostics_.error(in_.name.where, fmt::format("parser {} has no format", in_.name.text))
          .help("the formats are json, regex, ltsv and logfmt");
    }
    check_regex();
    check_time();
    read_types();
    for (const LocatedText& line : in_.decoders) read_decoder(line);
    return std::move(out_);
  }

 private:
  void check_regex() {
    if (in_.format != ParserFormat::Regex) return;
    if (in_.regex.text.empty()) {
      diagnostics_.error(in_.name.where,
                         fmt::format("parser {} has format regex but no regex", in_.name.text));
      return;
    }
    size_t at = 0;
    const auto regex = Regex::compile(in_.regex.text, {}, &at);
    if (!regex) {
      diagnostics_.error(place_in(in_.regex, at), regex.error().message);
    } else if (regex->names().empty()) {
      diagnostics_.error(in_.regex.where, "the regex has no named group, so it can give no field")
          .help("name what you want to keep: (?<level>[A-Z]+)");
    }
  }

  void check_time() {
    const bool zone = !in_.time_zone.text.empty();
    if (!in_.time_offset.text.empty()) {
      if (const auto offset = parse_offset(in_.time_offset.text))
        out_.time_offset = *offset;
      else
        diagnostics_.error(in_.time_offset.where, "time_offset is written like +0900 or -03:30");
      if (zone) {
        diagnostics_.error(in_.time_zone.where, "time_zone cannot be combined with time_offset");
      }
    }
    if (zone && in_.time_system_timezone) {
      diagnostics_.error(in_.time_zone.where,
                         "time_zone cannot be combined with time_system_timezone");
    }
    if (zone) {
      if (const auto loaded = TimeZone::load(in_.time_zone.text); !loaded) {
        diagnostics_.error(in_.time_zone.where,
                           fmt::format("unknown time_zone: {}", loaded.error().message));
      }
    }
    if (in_.time_format.text.empty()) {
      if (zone) diagnostics_.error(in_.time_zone.where, "time_zone requires time_format");
      return;
    }
    size_t at = 0;
    if (const auto format = TimeFormat::compile(in_.time_format.text, {}, &at); !format) {
      diagnostics_.error(place_in(in_.time_format, at), format.error().message);
    }
  }

  void read_types() {
    for (const std::string_view word : words_of(in_.types.text)) {
      const size_t colon = word.rfind(':');
      const std::string type = colon == word.npos ? "" : to_lower(word.substr(colon + 1));
      FieldTypeRule rule{.key = std::string(word.substr(0, std::min(colon, word.size())))};
      if (type == "integer" || type == "int")
        rule.type = FieldType::Integer;
      else if (type == "float")
        rule.type = FieldType::Float;
      else if (type == "bool")
        rule.type = FieldType::Bool;
      else if (type == "hex")
        rule.type = FieldType::Hex;
      else if (type != "string") {
        diagnostics_
            .error(place_in(in_.types, static_cast<size_t>(word.data() - in_.types.text.data()),
                            word.size()),
                   fmt::format("types: '{}' is not KEY:TYPE", word))
            .help("the types are string, integer, float, bool and hex");
        continue;
      }
      out_.types.push_back(std::move(rule));
    }
  }

  void read_decoder(const LocatedText& line) {
    const auto words = words_of(line.text);
    if (words.size() < 2 || words.size() > 3) {
      diagnostics_.error(line.where,
                         fmt::format("{} takes DECODER FIELD [try_next|do_next]", line.name));
      return;
    }
    FieldDecoder decoder{.in_place = line.name == "decode_field_as",
                         .field = std::string(words[1])};
    const std::string codec = to_lower(words[0]);
    if (codec == "json")
      decoder.codec = FieldDecoder::Codec::Json;
    else if (codec == "escaped")
      decoder.codec = FieldDecoder::Codec::Escaped;
    else if (codec == "escaped_utf8")
      decoder.codec = FieldDecoder::Codec::EscapedUtf8;
    else if (codec == "mysql_quoted")
      decoder.codec = FieldDecoder::Codec::MysqlQuoted;
    else {
      diagnostics_.error(line.where, fmt::format("unknown decoder '{}'", words[0]))
          .help("the decoders are json, escaped, escaped_utf8 and mysql_quoted");
      return;
    }
    const std::string next = words.size() == 3 ? to_lower(words[2]) : "";
    if (next == "try_next")
      decoder.next = FieldDecoder::Next::TryNext;
    else if (next == "do_next")
      decoder.next = FieldDecoder::Next::DoNext;
    else if (!next.empty()) {
      diagnostics_.error(line.where, fmt::format("'{}' is neither try_next nor do_next", words[2]));
      return;
    }
    if (!decoder.in_place && decoder.codec != FieldDecoder::Codec::Json) {
      diagnostics_.error(line.where, "decode_field adds the keys of a map: only json makes one")
          .help(fmt::format("decode_field_as {} {} replaces the field's text", words[0], words[1]));
      return;
    }
    out_.decoders.push_back(std::move(decoder));
  }

  const ParserSection& in_;
  Diagnostics& diagnostics_;
  ParserOptions out_;
};

}  // namespace

ParserRegistry::ParserRegistry(const Clock& clock) : clock_(clock) {
  for (ParserOptions& options : stock_parsers()) {
    const std::string name = options.name;
    definitions_[name] = {.options = std::move(options)};
  }
}

void ParserRegistry::add(const Section& section, Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const ParserSection parsed = parser_option_table().parse(section, diagnostics);
  ParserOptions options = SectionReader(parsed, diagnostics).read();
  if (diagnostics.error_count() != errors_before) return;
  // What the checks above cannot see would be seen here (a system zone that cannot be read).
  if (const auto parser = Parser::make(options, clock_); !parser) {
    diagnostics.error(section.where,
                      fmt::format("parser {}: {}", options.name, parser.error().message));
    return;
  }
  Definition& definition = definitions_[options.name];
  if (definition.user_defined) {
    diagnostics
        .warning(parsed.name.where,
                 fmt::format("parser {} is defined twice: this definition is used", options.name))
        .note("the other definition", definition.where);
  }
  definition = {.options = std::move(options), .user_defined = true, .where = parsed.name.where};
}

Result<std::unique_ptr<Parser>> ParserRegistry::make(std::string_view name) const {
  const auto found = definitions_.find(name);
  if (found == definitions_.end()) {
    return fail(ErrorCode::NotFound, fmt::format("there is no parser named '{}'", name));
  }
  return Parser::make(found->second.options, clock_);
}

bool ParserRegistry::contains(std::string_view name) const {
  return definitions_.find(name) != definitions_.end();
}

std::vector<std::string> ParserRegistry::names() const {
  std::vector<std::string> names;
  for (const auto& [name, definition] : definitions_) names.push_back(name);
  return names;
}

const OptionTableBase& ParserRegistry::option_table() { return parser_option_table(); }

}  // namespace noroshi
