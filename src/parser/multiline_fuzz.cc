// Lines of any bytes through the built-in parsers and one of the user's kind, over several streams.
// Every byte of text must come out again, every ack must be released, and skipping lines by
// may_start() must change nothing.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "parser/multiline.h"
#include "parser/parser_registry.h"
#include "record/counting_ack.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"
#include "record/record_accessor.h"

namespace noroshi {
namespace {

// Bytes that are no line ends: joining adds those and leaves blank ends out.
uint64_t count_text(std::string_view text) {
  uint64_t count = 0;
  for (const char c : text) count += c != '\n' && c != '\r' ? 1 : 0;
  return count;
}

struct Sums final : MultilineOutput {
  uint64_t bytes = 0;
  uint32_t lines = 0;
  void take(MultilineMessage& message) override {
    CHECK(validate_msgpack(message.record).has_value(), "records stay well-formed");
    const auto log = find_key(message.record, "log");
    CHECK(log.has_value(), "the text is there");
    bytes += count_text(MsgpackReader(*log).read_binary().value_or(""));
    lines += message.lines;
    message.acks.clear();
  }
};

std::vector<std::shared_ptr<const MultilineRules>> rules_of(uint8_t choice) {
  std::vector<std::shared_ptr<const MultilineRules>> rules;
  if ((choice & 1) != 0) rules.push_back(MultilineRules::built_in("python"));
  if ((choice & 2) != 0) rules.push_back(MultilineRules::built_in("java"));
  if ((choice & 4) != 0) rules.push_back(MultilineRules::built_in("go"));
  if ((choice & 8) != 0) rules.push_back(MultilineRules::built_in("ruby"));
  if (rules.empty() || (choice & 16) != 0) {
    rules.push_back(*MultilineRules::compile({.name = "own",
                                              .rules = {{{"start_state"}, "^[a-z]", "cont"},
                                                        {{"cont"}, R"(^\s)", "cont"},
                                                        {{"cont"}, "^end", "start_state"}}}));
  }
  return rules;
}

}  // namespace
}  // namespace noroshi

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  if (size == 0) return 0;
  ManualClock clock;
  const ParserRegistry registry(clock);
  Sums out;
  int live = 0;
  uint64_t bytes_in = 0;
  uint32_t lines_in = 0;
  {
    const auto joiner =
        *MultilineJoiner::make(rules_of(data[0]), {.message_bytes_max = 200}, registry, clock);
    std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      ++lines_in;
      bytes_in += count_text(line);
      const bool skipped = joiner->idle() && !joiner->may_start(line);
      const char stream = line.empty() ? 'a' : static_cast<char>('a' + line.size() % 3);
      std::string record;
      MsgpackWriter writer(record);
      writer.map_header(2);
      writer.string("log"), writer.string(line);
      writer.string("n"), writer.unsigned_integer(line.size());
      std::vector<std::shared_ptr<PendingAck>> acks = {std::make_shared<CountingAck>(live)};
      const bool taken = joiner->add(
          {&stream, 1},
          {.text = line, .record = (data[0] & 32) != 0 ? record : std::string_view(), .acks = acks},
          out);
      CHECK(!skipped || (!taken && joiner->idle()), "the fast path tells the truth");
      if (!taken) ++out.lines, out.bytes += count_text(line);
      if ((data[0] & 64) != 0) {
        clock.advance(Milliseconds(line.size() * 10));
        joiner->release_expired(out);
      }
    }
    joiner->release_all(out);
    CHECK(joiner->idle(), "nothing is held");
  }
  CHECK(out.lines == lines_in, "no line is lost or made up");
  CHECK(out.bytes == bytes_in, "no byte is lost or made up");
  CHECK(live == 0, "every ack is released");
  return 0;
}
