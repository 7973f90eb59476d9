// A CloudWatch Logs request from its first byte to its answer, over a real store: operation,
// newline, JSON. Gzip bodies, filter patterns and stored files are decoded on the way.

#include <simdjson.h>

#include <cstdlib>
#include <string>

#include "localaws/filter_pattern.h"
#include "localaws/fuzz_world.h"
#include "localaws/logs_service.h"

namespace {

using namespace noroshi::localaws;

bool fill(LogsStore& store) {
  return store.create_group({.name = "g"}) && store.create_stream("g", "s") &&
         store.append("g", "s",
                      {{1'799'999'999'000, "{\"level\":\"ERROR\"}"}, {1'800'000'000'000, "b"}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static FuzzWorld<LogsStore> world("logs-fuzz", fill);
  world.count_run();
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t newline = input.find('\n');
  if (newline == std::string_view::npos) {
    static_cast<void>(gunzip(input));
    if (auto pattern = FilterPattern::parse(input)) {
      static_cast<void>(pattern->matches(R"({"level":"ERROR","n":5,"list":[1,{"a":null}]})"));
    }
    return 0;
  }
  const LogsContext context{*world.store, world.clock, "000000000000"};
  const auto answer =
      run_logs_operation(context, input.substr(0, newline), input.substr(newline + 1), "r");
  if (!answer) {
    if (answer.error().status == 500) std::abort();
    return 0;
  }
  simdjson::dom::parser parser;
  if (parser.parse(*answer).error() != simdjson::SUCCESS) std::abort();  // the answer is JSON
  return 0;
}
