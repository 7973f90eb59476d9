#include "output/cloudwatch_logs/logs_answer.h"

#include <simdjson.h>

#include <algorithm>

namespace noroshi {
namespace {

uint32_t clamp_index(simdjson::dom::element value) {
  if (int64_t number = 0; value.get(number) == simdjson::SUCCESS) {
    return static_cast<uint32_t>(std::clamp<int64_t>(number, 0, UINT32_MAX));
  }
  // Beyond int64: "all of them" is the only sensible reading of such an index.
  if (uint64_t number = 0; value.get(number) == simdjson::SUCCESS) return UINT32_MAX;
  return 0;
}

}  // namespace

Result<PutLogEventsAnswer> parse_put_log_events_answer(std::string_view body) {
  simdjson::dom::parser parser;
  simdjson::dom::object answer;
  if (parser.parse(body.data(), body.size()).get(answer) != simdjson::SUCCESS) {
    return fail(ErrorCode::Corrupt, "the answer is no JSON object");
  }
  PutLogEventsAnswer parsed;
  simdjson::dom::object rejected;
  if (answer["rejectedLogEventsInfo"].get(rejected) == simdjson::SUCCESS) {
    simdjson::dom::element index;
    if (rejected["tooOldLogEventEndIndex"].get(index) == simdjson::SUCCESS) {
      parsed.too_old_end = clamp_index(index);
    }
    if (rejected["expiredLogEventEndIndex"].get(index) == simdjson::SUCCESS) {
      parsed.expired_end = clamp_index(index);
    }
    if (rejected["tooNewLogEventStartIndex"].get(index) == simdjson::SUCCESS &&
        (index.is_int64() || index.is_uint64())) {
      parsed.too_new_start = clamp_index(index);
    }
  }
  std::string_view entity_error;
  if (answer["rejectedEntityInfo"]["errorType"].get(entity_error) == simdjson::SUCCESS) {
    parsed.rejected_entity = entity_error;
  }
  return parsed;
}

std::optional<std::string> parse_expected_sequence_token(std::string_view body) {
  simdjson::dom::parser parser;
  simdjson::dom::element answer;
  std::string_view token;
  if (parser.parse(body.data(), body.size()).get(answer) != simdjson::SUCCESS ||
      answer["expectedSequenceToken"].get(token) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return std::string(token);
}

}  // namespace noroshi
