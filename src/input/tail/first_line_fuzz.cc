// Messages of any bytes as records of the old multiline mode: the map is well-formed and has as
// many pairs as was said, and lines that no parser takes are in it.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "input/tail/first_line.h"
#include "record/map_pairs.h"
#include "record/msgpack_reader.h"

namespace noroshi {
namespace {

std::unique_ptr<Parser> parser(ParserOptions options) {
  auto made = Parser::make(std::move(options), system_clock());
  CHECK(made.has_value(), "the parsers compile");
  return *std::move(made);
}

// Text ends with a number in the first, with a text in the second, with anything in the third.
tail::FirstLineRecords records() {
  std::vector<std::unique_ptr<Parser>> further;
  further.push_back(parser({.format = ParserFormat::Regex, .regex = "^by (?<cause>.*)$"}));
  further.push_back(parser({.format = ParserFormat::Json}));
  return {parser({.format = ParserFormat::Regex,
                  .regex = "^(?<level>[A-Z]+) (?<message>.*?)(?<code>\\d+)?$",
                  .types = {{.key = "code", .type = FieldType::Integer}}}),
          std::move(further)};
}

}  // namespace
}  // namespace noroshi

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  static tail::FirstLineRecords made = records();
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  std::string out = "before";
  std::optional<Timestamp> time;
  const uint32_t pairs = made.append_map(message, "log", out, time);
  const std::string_view map = std::string_view(out).substr(6);
  CHECK(out.starts_with("before"), "what was there stays");
  CHECK(validate_msgpack(map).has_value(), "records are well-formed");
  CHECK(MapPairs(map).count() == pairs, "the pairs are counted");
  // A line that nobody parses (JSON may be indented) is text of the record, as it is.
  const std::string_view last = message.substr(message.rfind('\n') + 1);
  if (!last.empty() && last[0] == '\t' && last.find('{') == last.npos)
    CHECK(map.find(last) != map.npos, "lines are never dropped");
  return 0;
}
