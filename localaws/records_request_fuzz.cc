// A Firehose or Kinesis request from its operation to its answer, over a real store: service and
// operation in the first line, then JSON. What the answer says was taken must be in the store.

#include <simdjson.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/check.h"
#include "localaws/hashes.h"
#include "localaws/records_service.h"

namespace {

using namespace noroshi::localaws;

struct World {
  World()
      : path(std::filesystem::temp_directory_path() / ("records-fuzz-" + hex(random_bytes(8)))) {
    reopen();
  }
  ~World() {
    store.reset();
    std::filesystem::remove_all(path);
  }
  void reopen() {
    store.reset();
    std::filesystem::remove_all(path);
    auto opened = RecordsStore::open(path, clock);
    if (!opened) std::abort();
    store = *std::move(opened);
    for (const auto service : {RecordsService::Firehose, RecordsService::Kinesis}) {
      if (!store->create(service, "s") || !store->append(service, "s", {{"k", "YQ=="}}))
        std::abort();
    }
  }
  std::filesystem::path path;
  noroshi::ManualClock clock{noroshi::Timestamp(noroshi::Seconds(1'800'000'000))};
  std::unique_ptr<RecordsStore> store;
  int runs = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (++world.runs % 1000 == 0) world.reopen();
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t newline = input.find('\n');
  if (newline == std::string_view::npos || newline == 0) return 0;
  const auto service = input.front() == 'F' ? RecordsService::Firehose : RecordsService::Kinesis;
  const std::string_view operation = input.substr(1, newline - 1);
  const uint64_t before = world.store->count(service, "s").value_or(0);
  const RecordsContext context{*world.store, world.clock, "000000000000"};
  const auto answer = run_records_operation(context, service, operation, input.substr(newline + 1),
                                            "eu-west-1", std::nullopt);
  if (answer) {
    simdjson::dom::parser parser;
    CHECK(parser.parse(*answer).error() == simdjson::SUCCESS, "an answer that is no JSON");
  } else {
    CHECK(!answer.error().code.empty(), "an error without a code");
    CHECK(world.store->count(service, "s").value_or(0) == before, "a refused request was stored");
  }
  if (!world.store->count(service, "s")) world.reopen();  // it was deleted
  return 0;
}
