// Whatever an OTLP receiver, or something in its place, answers: read without a crash.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "output/opentelemetry/otlp_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto answer =
      noroshi::parse_otlp_answer(std::string_view(reinterpret_cast<const char*>(data), size));
  if (answer) CHECK(answer->message.size() <= 200, "a message longer than its bound");
  return 0;
}
