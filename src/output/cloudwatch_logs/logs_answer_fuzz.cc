// Whatever CloudWatch Logs, or something in its place, answers: parsed without a crash, indexes in
// range.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "output/cloudwatch_logs/logs_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const auto answer = noroshi::parse_put_log_events_answer(body); answer) {
    // Only an object may count as an answer, so there is at least "{}".
    CHECK(body.find('{') != std::string_view::npos && body.find('}') != std::string_view::npos,
          "an answer without an object");
  }
  if (const auto token = noroshi::parse_expected_sequence_token(body); token) {
    CHECK(token->size() <= size, "a token longer than the answer");
  }
  return 0;
}
