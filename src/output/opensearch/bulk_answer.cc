#include "output/opensearch/bulk_answer.h"

#include <fmt/format.h>
#include <simdjson.h>

namespace noroshi {
namespace {

constexpr size_t kReasonBytesMax = 200;

std::string text_of(simdjson::simdjson_result<simdjson::dom::element> element) {
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS) return {};
  return std::string(text.substr(0, kReasonBytesMax));
}

}  // namespace

Result<std::vector<FailedBulkItem>> parse_bulk_answer(std::string_view body, size_t count) {
  simdjson::dom::parser parser;
  simdjson::dom::object answer;
  simdjson::dom::array items;
  if (parser.parse(body.data(), body.size()).get(answer) != simdjson::SUCCESS ||
      answer["items"].get(items) != simdjson::SUCCESS) {
    return fail(ErrorCode::Corrupt, "the answer has no items");
  }
  std::vector<FailedBulkItem> failed;
  uint32_t index = 0;
  for (const simdjson::dom::element element : items) {
    simdjson::dom::object action;
    int64_t status = 0;
    simdjson::dom::element result;
    // {"create":{…}}: one member, named after the operation.
    if (element.get(action) != simdjson::SUCCESS || action.size() != 1) {
      return fail(ErrorCode::Corrupt, fmt::format("item {} of the answer is no result", index));
    }
    result = (*action.begin()).value;
    if (result["status"].get(status) != simdjson::SUCCESS || status < 100 || status > 599) {
      return fail(ErrorCode::Corrupt, fmt::format("item {} of the answer has no status", index));
    }
    if (status < 200 || status > 299) {
      failed.push_back({.index = index,
                        .status = static_cast<int>(status),
                        .type = text_of(result["error"]["type"]),
                        .reason = text_of(result["error"]["reason"])});
    }
    ++index;
  }
  if (index != count) {
    return fail(ErrorCode::Corrupt,
                fmt::format("the answer speaks of {} documents, {} were sent", index, count));
  }
  return failed;
}

}  // namespace noroshi
