// accessor or template NUL record: whatever parses must look up and render without reading past the
// record.
#include "base/check.h"
#include "record/condition.h"
#include "record/msgpack_reader.h"
#include "record/record_accessor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(text.find('\0'), size);
  const std::string_view expression = text.substr(0, end);
  const std::string_view record = text.substr(std::min(end + 1, size));
  if (const auto accessor = RecordAccessor::parse(expression)) {
    const auto fast = accessor->find_in_whole(record);
    CHECK(!validate_msgpack(record) || fast == accessor->find(record),
          "looking for the key first finds the same in a whole record");
    if (const auto value = accessor->find(record)) {
      CHECK(value->data() >= record.data() &&
                value->data() + value->size() <= record.data() + record.size(),
            "outside of the record");
      std::string out;
      CHECK(append_value_text(out, *value), "a value that was found is well-formed");
    }
  }
  if (const auto parsed = RecordTemplate::parse(expression)) {
    std::string out;
    std::string_view missing;
    const std::string_view captures[] = {"whole", {}};
    const bool complete = parsed->render({"a.b", record, captures, "."}, out, &missing);
    CHECK(complete == missing.empty(), "missing is named exactly if something is");
    CHECK(!parsed->is_literal() || complete, "a literal has nothing to miss");
  }
  RecordCondition condition;
  if (condition.add_grep(expression)) {
    static_cast<void>(condition.matches(record, Severity::Error));
    static_cast<void>(condition.text());
  }
  return 0;
}
