// One dead letter as a line of JSON: what DeadLetters writes and `noroshi journal
// replay-dead-letters` reads.
//
//   {"output":"cloudwatch_logs.0","reason":"too_old","detail":"…","offset":17,"tag":"app","time":"2026-…Z","record":{…}}
//
// The time is to the nanosecond: a replay gives the record the time it had.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "metrics/metrics.h"
#include "record/chunk.h"
#include "record/json_parser.h"

namespace noroshi {

// Appends the line of record `index` of `chunk`, with its newline.
void write_dead_letter(std::string& out, std::string_view output, DropReason reason,
                       std::string_view detail, const ChunkView& chunk, uint32_t index);

struct DeadLetter {
  std::string_view tag, reason;
  std::string_view record;  // MessagePack, a map
  Timestamp time{};
};

// From a line that JsonToMsgpack has made MessagePack; views into it. nullopt without tag, time or
// record.
[[nodiscard]] std::optional<DeadLetter> read_dead_letter(std::string_view line);

// The same from the line itself. Views stay valid until the next call.
class DeadLetterReader {
 public:
  [[nodiscard]] std::optional<DeadLetter> read(std::string_view line);

 private:
  JsonToMsgpack to_msgpack_;
  std::string msgpack_;
};

// "2026-11-23T02:53:00.123456789Z", with any number of digits of the fraction or none; nullopt for
// what a Timestamp cannot hold.
[[nodiscard]] std::optional<Timestamp> read_dead_letter_time(std::string_view text);

}  // namespace noroshi
