#include "output/aws_records/records_answer.h"

#include <fmt/format.h>
#include <simdjson.h>

namespace noroshi {
namespace {

// Of the service's own words, in a reason.
constexpr size_t kMessageBytesMax = 200;

}  // namespace

Result<RecordsAnswer> parse_records_answer(std::string_view body, std::string_view entries,
                                           std::string_view accepted, size_t count) {
  simdjson::dom::parser parser;
  simdjson::dom::object answer;
  simdjson::dom::array list;
  if (parser.parse(body.data(), body.size()).get(answer) != simdjson::SUCCESS ||
      answer[entries].get(list) != simdjson::SUCCESS) {
    return fail(ErrorCode::Corrupt, fmt::format("the answer has no array {}", entries));
  }
  RecordsAnswer parsed;
  uint32_t index = 0;
  for (const simdjson::dom::element element : list) {
    simdjson::dom::object entry;
    if (element.get(entry) != simdjson::SUCCESS) {
      return fail(ErrorCode::Corrupt, fmt::format("entry {} of the answer is no object", index));
    }
    std::string_view code;
    std::string_view id;
    if (entry["ErrorCode"].get(code) == simdjson::SUCCESS && !code.empty()) {
      if (code == "ProvisionedThroughputExceededException" || code == "ThrottlingException")
        parsed.throttled = true;
      if (parsed.failed.empty()) {
        std::string_view message;
        if (entry["ErrorMessage"].get(message) != simdjson::SUCCESS) message = {};
        parsed.reason = fmt::format("{}: {}", code.substr(0, kMessageBytesMax),
                                    message.substr(0, kMessageBytesMax));
      }
      parsed.failed.push_back(index);
    } else if (entry[accepted].get(id) != simdjson::SUCCESS || id.empty()) {
      return fail(
          ErrorCode::Corrupt,
          fmt::format("entry {} of the answer has neither {} nor ErrorCode", index, accepted));
    }
    ++index;
  }
  if (index != count) {
    return fail(ErrorCode::Corrupt,
                fmt::format("the answer speaks of {} records, {} were sent", index, count));
  }
  return parsed;
}

}  // namespace noroshi
