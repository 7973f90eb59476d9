// Any text through every kind of parser: the first byte chooses which. What comes out must be one
// well-formed map, or nothing.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "parser/parser.h"
#include "parser/stock_parsers.h"
#include "record/map_pairs.h"

namespace noroshi {
namespace {

const ManualClock kClock{Timestamp(Seconds(1795402380))};

std::vector<std::unique_ptr<Parser>> all_parsers() {
  set_log_level(LogLevel::Off);
  std::vector<ParserOptions> options = stock_parsers();
  const std::string iso = "%Y-%m-%dT%H:%M:%S.%L%z";
  options.push_back({.format = ParserFormat::Ltsv,
                     .time_format = iso,
                     .types = {{"a", FieldType::Integer},
                               {"b", FieldType::Float},
                               {"c", FieldType::Hex},
                               {"d", FieldType::Bool}}});
  options.push_back({.format = ParserFormat::Logfmt, .time_format = iso, .time_strict = false});
  options.push_back({.format = ParserFormat::Logfmt, .logfmt_no_bare_keys = true});
  using Codec = FieldDecoder::Codec;
  using Next = FieldDecoder::Next;
  options.push_back({.format = ParserFormat::Json,
                     .time_format = "%b %d %H:%M:%S",
                     .decoders = {{true, Codec::EscapedUtf8, "a", Next::DoNext},
                                  {true, Codec::Json, "a", Next::Stop},
                                  {false, Codec::Json, "b", Next::TryNext},
                                  {true, Codec::Escaped, "c", Next::Stop},
                                  {true, Codec::MysqlQuoted, "d", Next::Stop}}});
  options.push_back({.format = ParserFormat::Regex,
                     .regex = "^(?<a>[^,]*),(?<time>[^,]*),(?<b>.*)$",
                     .time_format = iso,
                     .skip_empty_values = false});
  std::vector<std::unique_ptr<Parser>> parsers;
  for (ParserOptions& one : options) {
    auto parser = Parser::make(std::move(one), kClock);
    CHECK(parser.has_value(), parser.error().message);
    parsers.push_back(std::move(*parser));
  }
  return parsers;
}

}  // namespace
}  // namespace noroshi

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  static const auto parsers = all_parsers();
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string out = "before";
  std::optional<Timestamp> time;
  const auto pairs = parsers[data[0] % parsers.size()]->append_map(text, out, time);
  CHECK(out.starts_with("before"), "what was there stays");
  const std::string_view map = std::string_view(out).substr(6);
  if (!pairs) {
    CHECK(map.empty(), "nothing is left of a text that does not fit");
    return 0;
  }
  CHECK(validate_msgpack(map).has_value(), "one well-formed value");
  MapPairs walk(map);
  CHECK(walk.ok() && walk.count() == *pairs, "a map of as many pairs as promised");
  return 0;
}
