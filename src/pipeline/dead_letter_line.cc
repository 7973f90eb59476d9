#include "pipeline/dead_letter_line.h"

#include <fmt/format.h>

#include <ctime>

#include "record/json_writer.h"
#include "record/map_pairs.h"
#include "record/msgpack_reader.h"

namespace noroshi {
namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

void write_time(std::string& out, Timestamp time) {
  write_json_date(out, JsonDateFormat::Iso8601, time);  // ends in six digits, Z and a quote
  const auto nanoseconds = time.time_since_epoch() % std::chrono::microseconds(1);
  const int64_t below = nanoseconds.count() < 0 ? nanoseconds.count() + 1000 : nanoseconds.count();
  out.resize(out.size() - 2);
  out += fmt::format("{:03}Z\"", below);
}

}  // namespace

void write_dead_letter(std::string& out, std::string_view output, DropReason reason,
                       std::string_view detail, const ChunkView& chunk, uint32_t index) {
  const RecordEntry& entry = chunk.records[index];
  out += "{\"output\":";
  write_json_string(out, output);
  out += fmt::format(",\"reason\":\"{}\",\"detail\":", to_string(reason));
  write_json_string(out, detail);
  out += fmt::format(",\"offset\":{},\"tag\":", chunk.offset(index).value);
  write_json_string(out, chunk.tag);
  out += ",\"time\":";
  write_time(out, entry.time);
  out += ",\"record\":";
  if (!write_json(out, chunk.record(entry))) out += "null";
  out += "}\n";
}

std::optional<Timestamp> read_dead_letter_time(std::string_view text) {
  const std::string copy(text);
  std::tm parts{};
  const char* rest = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return std::nullopt;
  int64_t fraction = 0;
  if (*rest == '.') {
    int64_t unit = kNanosecondsPerSecond / 10;
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) fraction += (*rest - '0') * unit;
  }
  if (copy.substr(static_cast<size_t>(rest - copy.c_str())) != "Z") return std::nullopt;
  // Years 1677 to 2262. The sum may fit where its first part does not: the seconds are negative,
  // the fraction is not.
  int64_t seconds = timegm(&parts);
  if (seconds < 0 && fraction > 0) ++seconds, fraction -= kNanosecondsPerSecond;
  int64_t nanoseconds = 0;
  if (__builtin_mul_overflow(seconds, kNanosecondsPerSecond, &nanoseconds) ||
      __builtin_add_overflow(nanoseconds, fraction, &nanoseconds)) {
    return std::nullopt;
  }
  return Timestamp(Nanoseconds(nanoseconds));
}

std::optional<DeadLetter> read_dead_letter(std::string_view line) {
  DeadLetter letter;
  bool has_tag = false, has_time = false;
  MapPairs pairs(line);
  for (MapPair pair; pairs.next(pair);) {
    if (pair.name == "record") {
      const auto type = MsgpackReader(pair.value).peek();
      if (type && *type == MsgpackType::Map) letter.record = pair.value;
      continue;
    }
    const auto text = MsgpackReader(pair.value).read_string();
    if (!text) continue;
    if (pair.name == "tag") letter.tag = *text, has_tag = true;
    if (pair.name == "reason") letter.reason = *text;
    if (pair.name == "time") {
      const std::optional<Timestamp> time = read_dead_letter_time(*text);
      if (time) letter.time = *time, has_time = true;
    }
  }
  if (!pairs.ok() || !has_tag || !has_time || letter.record.empty()) return std::nullopt;
  return letter;
}

std::optional<DeadLetter> DeadLetterReader::read(std::string_view line) {
  msgpack_.clear();
  if (!to_msgpack_.append_object(line, msgpack_)) return std::nullopt;
  return read_dead_letter(msgpack_);
}

}  // namespace noroshi
