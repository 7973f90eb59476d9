// Dead letters as they are read for a replay, and as they are written: what is written must be read
// as the same. Input: first byte even: a line; odd: eight bytes of time, a byte with the tag's
// size, the tag, and a record.
#include <cstring>

#include "base/check.h"
#include "pipeline/dead_letter_line.h"
#include "record/json_parser.h"
#include "record/simdjson_reference.h"

namespace {

using namespace noroshi;

std::optional<DeadLetter> read(std::string_view line, std::string& msgpack) {
  static JsonToMsgpack parser;
  if (!parser.append_object(line, msgpack)) return std::nullopt;
  return read_dead_letter(msgpack);
}

void check_line(std::string_view line) {
  std::string msgpack;
  const auto letter = read(line, msgpack);
  static_cast<void>(read_dead_letter_time(line));
  if (!letter) return;
  const auto record = MsgpackReader(letter->record).read_map();
  CHECK(record.has_value() && validate_msgpack(letter->record).has_value(), "a record is a map");
}

void check_round_trip(std::string_view bytes) {
  if (bytes.size() < 9) return;
  int64_t nanoseconds = 0;
  std::memcpy(&nanoseconds, bytes.data(), sizeof nanoseconds);
  const Timestamp time{Nanoseconds(nanoseconds)};
  const std::string tag(bytes.substr(9, static_cast<uint8_t>(bytes[8])));
  bytes.remove_prefix(9 + tag.size());
  const auto value = MsgpackReader(bytes).skip();
  const bool is_map = value && MsgpackReader(*value).peek().value() == MsgpackType::Map;
  const std::string_view record = is_map ? *value : "\x80";  // a record is one
  Chunk chunk;
  chunk.tag = tag;
  chunk.append(time, record);
  std::string line;
  write_dead_letter(line, tag, DropReason::TooOld, bytes, chunk.view(), 0);
  CHECK(line.find('\n') == line.size() - 1, "one line");
  line.pop_back();
  std::string msgpack;
  const auto letter = read(line, msgpack);
  if (!letter) {  // arrays and maps may be as deep as the reader allows, and are one deeper here
    const auto status = JsonToMsgpack().append_object(line, msgpack);
    CHECK(!status && status.error() == JsonError::TooDeep, "what is written can be read");
    return;
  }
  CHECK(letter->time == time, "another time");
  CHECK(letter->tag == simdjson_reference::valid_utf8(tag), "another tag");
  CHECK(letter->reason == to_string(DropReason::TooOld), "another reason");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  data[0] % 2 == 0 ? check_line(bytes) : check_round_trip(bytes);
  return 0;
}
