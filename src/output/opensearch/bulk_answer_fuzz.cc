// Whatever OpenSearch, or something in its place, answers: parsed without a crash, and what failed
// is among what was sent.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "output/opensearch/bulk_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t count = data[0] & 15;
  const auto failed = noroshi::parse_bulk_answer(
      std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1), count);
  if (!failed) return 0;
  CHECK(failed->size() <= count, "more failed than were sent");
  for (size_t i = 0; i < failed->size(); ++i) {
    CHECK((*failed)[i].index < count, "a document that was not sent");
    CHECK((*failed)[i].status < 200 || (*failed)[i].status > 299, "a success that failed");
    CHECK(i == 0 || (*failed)[i - 1].index < (*failed)[i].index, "not ascending");
  }
  return 0;
}
