#include "parser/parser.h"

#include <fmt/format.h>

#include "base/regex.h"
#include "parser/field_decoder.h"
#include "parser/field_writer.h"
#include "parser/text_formats.h"
#include "parser/time_field.h"
#include "record/json_parser.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi {

struct Parser::Impl {
  Impl(ParserOptions given, TimeField field)
      : options(std::move(given)), time_field(std::move(field)), decoders(options.decoders) {}

  std::optional<uint32_t> append_json(std::string_view text, std::string& out,
                                      std::optional<Timestamp>& time);
  std::optional<uint32_t> append_text_format(std::string_view text, std::string& out,
                                             std::optional<Timestamp>& time);
  bool scan_regex(std::string_view text, FieldWriter& fields);
  uint32_t take_json_time(std::string& out, size_t begin, uint32_t pairs,
                          std::optional<Timestamp>& time);

  ParserOptions options;
  TimeField time_field;
  FieldDecoders decoders;
  JsonToMsgpack json;
  std::optional<Regex> regex;
  RegexMatch match;
  std::string time_text;           // of a time that is a number; kept for its memory
  std::span<const uint32_t> keys;  // see key_positions()
};

Parser::Parser(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Parser::~Parser() = default;
const ParserOptions& Parser::options() const { return impl_->options; }
std::span<const uint32_t> Parser::key_positions() const { return impl_->keys; }
uint64_t Parser::time_failures() const { return impl_->time_field.failures(); }

Result<std::unique_ptr<Parser>> Parser::make(ParserOptions options, const Clock& clock) {
  NOROSHI_ASSIGN(TimeField time_field, TimeField::make(options, clock));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(time_field));
  if (impl->options.format == ParserFormat::Regex) {
    if (impl->options.regex.empty()) {
      return fail(ErrorCode::InvalidArgument, "a parser of format regex needs a regex");
    }
    NOROSHI_ASSIGN(impl->regex, Regex::compile(impl->options.regex));
    if (impl->regex->names().empty()) {
      return fail(ErrorCode::InvalidArgument,
                  "the regex has no named group: (?<name>…) makes a field");
    }
  }
  return std::unique_ptr<Parser>(new Parser(std::move(impl)));
}

// The time field of a JSON record, taken out of the finished map at out[begin].
uint32_t Parser::Impl::take_json_time(std::string& out, size_t begin, uint32_t pairs,
                                      std::optional<Timestamp>& time) {
  if (!keys.empty() && !has_key(std::string_view(out).substr(begin), keys, options.time_key))
    return pairs;
  MapPairs walk(std::string_view(out).substr(begin));
  for (MapPair pair; walk.next(pair);) {
    if (pair.name != options.time_key || pair.name.data() == nullptr) continue;
    const auto value = MsgpackReader(pair.value).next();
    std::string_view text;
    if (value && value->type == MsgpackType::String) {
      text = value->bytes;
    } else if (value && value->type == MsgpackType::UnsignedInteger) {
      time_text.clear();  // `%s` of a number; Fluent Bit reads only strings
      fmt::format_to(std::back_inserter(time_text), "{}", value->unsigned_integer);
      text = time_text;
    } else {
      return pairs;
    }
    const auto read = time_field.read(options, text);
    if (!read) return pairs;
    time = read;
    if (options.time_keep) return pairs;
    keys = {};  // they move
    out.erase(static_cast<size_t>(pair.key.data() - out.data()), pair.bytes().size());
    set_map_pairs(out, begin, pairs - 1);
    return pairs - 1;
  }
  return pairs;
}

std::optional<uint32_t> Parser::Impl::append_json(std::string_view text, std::string& out,
                                                  std::optional<Timestamp>& time) {
  const size_t begin = out.size();
  if (!json.append_object(text, out)) return std::nullopt;
  uint32_t pairs = MapPairs(std::string_view(out).substr(begin)).count();
  keys = json.key_positions();
  if (!decoders.empty()) pairs = decoders.apply(out, begin, json), keys = {};
  if (time_field.wanted()) pairs = take_json_time(out, begin, pairs, time);
  return pairs;
}

bool Parser::Impl::scan_regex(std::string_view text, FieldWriter& fields) {
  if (regex->search(text, match) != RegexOutcome::Match) return false;
  const auto& names = regex->names();
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string_view value = match[names[i].second];
    if (value.empty() && options.skip_empty_values) continue;
    // Of several groups with one name the first that took part counts.
    bool repeated = false;
    for (size_t j = 0; j < names.size() && !repeated; ++j) {
      if (j == i || names[j].first != names[i].first) continue;
      const bool other_took_part = match[names[j].second].data() != nullptr;
      repeated = j < i ? other_took_part || value.data() == nullptr
                       : value.data() == nullptr && other_took_part;
    }
    if (!repeated) fields.text(names[i].first, value);
  }
  return true;
}

std::optional<uint32_t> Parser::Impl::append_text_format(std::string_view text, std::string& out,
                                                         std::optional<Timestamp>& time) {
  const size_t begin = out.size();
  MsgpackWriter writer(out);
  const size_t map = writer.begin_map();
  FieldWriter fields(options, time_field, out);
  bool follows = true;
  switch (options.format) {
    case ParserFormat::Regex:
      follows = scan_regex(text, fields);
      break;
    case ParserFormat::Ltsv:
      scan_ltsv(text, fields);
      break;
    default:
      follows = scan_logfmt(text, options.logfmt_no_bare_keys, fields);
      break;
  }
  // A text of which nothing remains is left as it is rather than turned into an empty record.
  const bool nothing = fields.pairs() == 0 && options.format != ParserFormat::Regex;
  if (!follows || nothing) {
    out.resize(begin);
    return std::nullopt;
  }
  writer.end_map(map, fields.pairs());
  if (fields.time()) time = fields.time();
  if (decoders.empty()) return fields.pairs();
  return decoders.apply(out, begin, json);
}

std::optional<uint32_t> Parser::append_map(std::string_view text, std::string& out,
                                           std::optional<Timestamp>& time) {
  impl_->keys = {};
  if (impl_->options.format == ParserFormat::Json) return impl_->append_json(text, out, time);
  return impl_->append_text_format(text, out, time);
}

}  // namespace noroshi
