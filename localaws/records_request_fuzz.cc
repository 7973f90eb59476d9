// A Firehose or Kinesis request from its operation to its answer, over a real store: service and
// operation in the first line, then JSON. What the answer says was taken must be in the store.

#include <simdjson.h>

#include <string>

#include "base/check.h"
#include "localaws/fuzz_world.h"
#include "localaws/records_service.h"

namespace {

using namespace noroshi::localaws;

bool fill(RecordsStore& store) {
  for (const auto service : {RecordsService::Firehose, RecordsService::Kinesis}) {
    if (!store.create(service, "s") || !store.append(service, "s", {{"k", "YQ=="}})) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static FuzzWorld<RecordsStore> world("records-fuzz", fill);
  world.count_run();
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
