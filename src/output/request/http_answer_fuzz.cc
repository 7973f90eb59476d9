// What any HTTP destination answers, or what stands in its place: a decision, a reason that is one
// bounded line, a wait that is bounded. Input: two bytes of status; the Retry-After header, up to a
// newline; the body, which is the Location as well.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "output/request/http_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  if (size < 2) return 0;
  constexpr size_t kReasonBytesMax = kAnswerExcerptBytes + 100;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t line = std::min(text.find('\n'), text.size());
  const std::string_view rest = text.substr(std::min(line + 1, text.size()));
  HttpResponse response;
  response.status = 100 + (data[0] | data[1] << 8) % 500;
  response.headers.add("retry-after", text.substr(0, line));
  response.headers.add("location", rest);
  response.body = rest;
  const Timestamp now{Seconds(1'795'402'380)};
  const RequestAnswer answer = classify_http_answer(response, now);
  CHECK((answer.kind == RequestAnswer::Kind::Answered) == response.ok(), "only 2xx is delivered");
  CHECK(response.ok() || !answer.reason.empty(), "a refusal has a reason");
  CHECK(answer.reason.size() <= kReasonBytesMax, "a reason longer than its bound");
  for (const char c : answer.reason) {
    CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "a reason is one line");
  }
  if (answer.retry_after) {
    CHECK(*answer.retry_after >= Nanoseconds(0) && *answer.retry_after <= kRetryAfterMax,
          "a wait within its bounds");
  }
  return 0;
}
