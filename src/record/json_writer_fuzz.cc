// Any MessagePack value as JSON, read again by simdjson's DOM: it must be the value, as
// json_writer.h promises (simdjson_reference.h compares). First byte: options; the last eight of
// the rest: the time of a record.
#include <ctime>

#include "base/check.h"
#include "record/json_writer.h"
#include "record/simdjson_reference.h"

namespace {

using namespace noroshi;
namespace reference = simdjson_reference;

simdjson::dom::element parse(simdjson::dom::parser& parser, std::string_view json) {
  simdjson::dom::element element;
  CHECK(parser.parse(json.data(), json.size()).get(element) == simdjson::SUCCESS,
        "simdjson refuses our JSON");
  return element;
}

Timestamp time_of(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes.substr(bytes.size() - std::min<size_t>(bytes.size(), 8))) {
    value = value << 8 | static_cast<uint8_t>(c);
  }
  return Timestamp(Nanoseconds(static_cast<int64_t>(value)));
}

bool is_date(simdjson::dom::element element, JsonDateFormat format, Timestamp time) {
  constexpr int64_t kBillion = 1'000'000'000;
  const int64_t count = time.time_since_epoch().count();
  const int64_t nanoseconds = (count % kBillion + kBillion) % kBillion;
  const int64_t seconds = count / kBillion - (count % kBillion < 0 ? 1 : 0);
  int64_t integer = 0;
  switch (format) {
    case JsonDateFormat::Double: {
      double value = 0;
      // 16 digits: a microsecond's half, at ten digits of seconds.
      return element.type() == simdjson::dom::element_type::DOUBLE &&
             element.get(value) == simdjson::SUCCESS &&
             std::abs(value - static_cast<double>(count) / 1e9) < 2e-6;
    }
    case JsonDateFormat::Epoch:
      return element.get(integer) == simdjson::SUCCESS && integer == seconds;
    case JsonDateFormat::EpochMillis:
      return element.get(integer) == simdjson::SUCCESS &&
             integer == seconds * 1000 + nanoseconds / 1'000'000;
    case JsonDateFormat::Iso8601:
    case JsonDateFormat::JavaSqlTimestamp: {
      const bool iso = format == JsonDateFormat::Iso8601;
      const auto second = static_cast<std::time_t>(seconds);
      std::tm parts{};
      ::gmtime_r(&second, &parts);
      char text[40];
      const size_t size = std::strftime(text, sizeof text,
                                        iso ? "%Y-%m-%dT%H:%M:%S." : "%Y-%m-%d %H:%M:%S.", &parts);
      const std::string fraction = std::to_string(kBillion + nanoseconds).substr(1, 6);
      return reference::is_string(element, std::string(text, size) + fraction + (iso ? "Z" : ""));
    }
  }
  return false;
}

// As text: another kind of key becomes text, but is not the same key.
bool has_key(MsgpackReader map, std::string_view key) {
  const uint32_t pairs = map.read_map().value_or(0);
  for (uint32_t i = 0; i < pairs; ++i) {
    const auto text = map.read_binary();
    if (text && *text == key) return true;
    if (!text) CHECK(map.skip().has_value(), "a key");
    CHECK(map.skip().has_value(), "a value");
  }
  return false;
}

void check_record(std::string_view value, const NdjsonOptions& options, Timestamp time) {
  std::string line = "x";
  const auto written = write_ndjson_record(line, options, time, value);
  MsgpackReader reader(value);
  const auto pairs = reader.read_map();
  CHECK(written.has_value() == pairs.has_value(), "a record is a map, and every map is one");
  if (!pairs) {
    CHECK(line == "x", "the output was touched");
    return;
  }
  CHECK(line.find('\n') == line.size() - 1, "one line");
  static simdjson::dom::parser parser;
  const simdjson::dom::element element = parse(parser, std::string_view(line).substr(1));
  if (options.date_key.empty() || has_key(MsgpackReader(value), options.date_key)) {
    CHECK(reference::same(element, value), "the record without a date of ours");
    return;
  }
  const simdjson::dom::object object = element;
  CHECK(object.size() == std::min<size_t>(*pairs + size_t{1}, 0xffffff), "one pair more");
  auto at = object.begin();
  CHECK(at.key() == options.date_key && is_date(at.value(), options.date_format, time), "the date");
  for (++at; at != object.end(); ++at) {
    CHECK(reference::same_key(at.key(), reader, false) && reference::same(at.value(), reader),
          "the record's own pairs");
  }
  CHECK(reader.at_end(), "all of them");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const JsonOptions options{.escape_unicode = (choice & 1) != 0};
  const auto value = MsgpackReader(bytes).skip();
  std::string json = "x";
  const auto written = write_json(json, value ? *value : bytes, options);
  CHECK(written.has_value() == value.has_value(), "every value, and nothing else");
  if (!value) {
    CHECK(written.error() == value.error() && json == "x", "the output was touched");
    return 0;
  }
  static simdjson::dom::parser parser;
  CHECK(reference::same(parse(parser, std::string_view(json).substr(1)), *value), "another value");
  if (options.escape_unicode) {
    for (const char c : json) CHECK(static_cast<uint8_t>(c) < 0x80, "not ASCII");
  }
  static constexpr const char* kDateKeys[] = {"date", "a", "", "日付 \"\n"};
  check_record(*value,
               {.date_key = kDateKeys[choice >> 1 & 3],
                .date_format = static_cast<JsonDateFormat>((choice >> 3) % 5),
                .json = options},
               time_of(bytes));
  return 0;
}
