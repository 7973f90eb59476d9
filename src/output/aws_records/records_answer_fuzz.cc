// Whatever Firehose or Kinesis, or something in its place, answers: parsed without a crash, and
// what counts as failed is among what was sent.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "output/aws_records/records_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t count = data[0] & 15;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool firehose = (data[0] & 16) != 0;
  const auto answer =
      noroshi::parse_records_answer(body, firehose ? "RequestResponses" : "Records",
                                    firehose ? "RecordId" : "SequenceNumber", count);
  if (!answer) return 0;
  CHECK(answer->failed.size() <= count, "more failed than were sent");
  for (size_t i = 0; i < answer->failed.size(); ++i) {
    CHECK(answer->failed[i] < count, "a record that was not sent");
    CHECK(i == 0 || answer->failed[i - 1] < answer->failed[i], "not ascending");
  }
  return 0;
}
