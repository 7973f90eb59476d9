// Any text through the JSON parser: it must agree with the slow reference, accept whatever
// simdjson's own parser accepts, and give JSON that parses to the same MessagePack again.
#include <simdjson.h>

#include "base/check.h"
#include "record/json_parser.h"
#include "record/json_reference.h"
#include "record/json_writer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static JsonToMsgpack parser;
  static simdjson::dom::parser dom(kJsonBytesMax);

  std::string parsed = "x", reference = "x";
  const auto status = parser.append_value(text, parsed);
  CHECK(status.has_value() == JsonReference::append(text, reference), "not as the reference");
  if (!status) {
    CHECK(parsed == "x", "the output was touched");
    if (status.error() != JsonError::TooDeep) {
      CHECK(dom.parse(text.data(), text.size()).error() != simdjson::SUCCESS,
            "simdjson accepts what the parser refuses");
    }
    return 0;
  }
  CHECK(parsed == reference, "other MessagePack than the reference");
  const std::string_view value = std::string_view(parsed).substr(1);
  CHECK(validate_msgpack(value).has_value(), "malformed MessagePack");
  for (const bool escape_unicode : {false, true}) {
    std::string json, again;
    CHECK(write_json(json, value, {escape_unicode}).has_value(), "no JSON");
    CHECK(parser.append_value(json, again).has_value(), "our JSON does not parse");
    CHECK(again == value, "the round trip changed the value");
    CHECK(dom.parse(json).error() == simdjson::SUCCESS, "simdjson refuses our JSON");
  }
  std::string object;
  const bool is_map = (static_cast<uint8_t>(value[0]) & 0xf0) == 0x80 ||
                      (static_cast<uint8_t>(value[0]) & 0xfe) == 0xde;
  CHECK(parser.append_object(text, object).has_value() == is_map, "append_object");
  return 0;
}
