// A CloudWatch Logs request from its first byte to its answer, over a real store: operation,
// newline, JSON. Gzip bodies, filter patterns and stored files are decoded on the way.

#include <simdjson.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "localaws/filter_pattern.h"
#include "localaws/hashes.h"
#include "localaws/logs_service.h"

namespace {

using namespace noroshi::localaws;

// One store for the whole run; emptied by the operations themselves and by size below.
struct World {
  World() : path(std::filesystem::temp_directory_path() / ("logs-fuzz-" + hex(random_bytes(8)))) {
    reopen();
  }
  ~World() {
    store.reset();
    std::filesystem::remove_all(path);
  }
  void reopen() {
    store.reset();
    std::filesystem::remove_all(path);
    auto opened = LogsStore::open(path, clock);
    if (!opened) std::abort();
    store = *std::move(opened);
    if (!store->create_group({.name = "g"}) || !store->create_stream("g", "s") ||
        !store->append("g", "s",
                       {{1'799'999'999'000, "{\"level\":\"ERROR\"}"}, {1'800'000'000'000, "b"}})) {
      std::abort();
    }
  }
  std::filesystem::path path;
  noroshi::ManualClock clock{noroshi::Timestamp(noroshi::Seconds(1'800'000'000))};
  std::unique_ptr<LogsStore> store;
  int runs = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (++world.runs % 1000 == 0) world.reopen();
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
