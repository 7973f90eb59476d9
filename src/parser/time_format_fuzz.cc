// A format and a text, separated by the first line end, both from outside; and the same bytes as a
// TZif file and as a POSIX time zone rule.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "parser/time_format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Timestamp now{Seconds(1795402380)};
  const size_t line = bytes.find('\n');
  if (line != std::string_view::npos) {
    size_t error_at = 0;
    const auto format = TimeFormat::compile(bytes.substr(0, line), {}, &error_at);
    if (!format) {
      CHECK(error_at <= line, "the mistake lies in the format");
    } else {
      const std::string_view text = bytes.substr(line + 1);
      const auto strict = format->parse(text, now);
      const auto lenient = format->parse_lenient(text, now);
      CHECK(!strict || strict == lenient, "what is right is right for both");
    }
  }
  if (const auto zone = TimeZone::parse(bytes)) {
    for (const int64_t at :
         {int64_t{-5'000'000'000}, int64_t{0}, int64_t{1795402380}, int64_t{9'000'000'000}}) {
      const int64_t utc = (*zone)->to_utc(at);
      CHECK(utc - at < 8 * 86400 * 7 && at - utc < 8 * 86400 * 7, "offsets are bounded");
    }
  }
  if (const auto rule = PosixTimeRule::parse(bytes)) static_cast<void>(rule->offset_at(1795402380));
  return 0;
}
