// What the router's decision costs for each record, and the floor: reading every record once.
//   ./dev bench micro pipeline [--benchmark_filter=…]
#include "pipeline/router.h"

#include "record/bench_record.h"

namespace noroshi {
namespace {

Route route_with(std::string identity, const char* grep) {
  Route route{.output_identity = std::move(identity)};
  route.match.push_back(TagPattern("*"));
  if (grep != nullptr && !route.condition.add_grep(grep)) std::abort();
  return route;
}

void run(benchmark::State& state, std::vector<Route> routes) {
  RouteTable table(std::move(routes));
  Chunk chunk = bench::parsed_chunk();
  std::string block;
  std::vector<uint32_t> counts;
  for (auto _ : state) {
    // As a chunk comes from the filters.
    for (RecordEntry& entry : chunk.records) entry.severity = Severity::NotInferred;
    table.route(chunk, block, counts);
    benchmark::DoNotOptimize(block.data());
  }
  bench::report(state, chunk.body.size(), bench::kRecords);
}

// Errors to CloudWatch Logs, all to S3.
void StepRouteSpecified(benchmark::State& state) {
  std::vector<Route> routes;
  routes.push_back(route_with("cloudwatch_logs", "level ERROR,CRITICAL,FATAL"));
  routes.push_back(route_with("s3", nullptr));
  run(state, std::move(routes));
}
BENCHMARK(StepRouteSpecified);

// Outputs with conditions of their own, each looking for the same key.
void RouteByGrep(benchmark::State& state) {
  std::vector<Route> routes;
  for (int64_t i = 0; i < state.range(0); ++i) {
    routes.push_back(route_with(fmt::format("output {}", i), "level ERROR,CRITICAL,FATAL"));
  }
  run(state, std::move(routes));
}
BENCHMARK(RouteByGrep)->Arg(1)->Arg(2)->Arg(8);

// Outputs whose Match does not select the chunk's tag.
void RouteToNobodyElse(benchmark::State& state) {
  std::vector<Route> routes;
  routes.push_back(route_with("s3", nullptr));
  for (int64_t i = 0; i < state.range(0); ++i) {
    routes.push_back({.output_identity = fmt::format("output {}", i)});
    routes.back().match.push_back(TagPattern("other.*"));
  }
  run(state, std::move(routes));
}
BENCHMARK(RouteToNobodyElse)->Arg(1)->Arg(8);

void RouteByLevelMin(benchmark::State& state) {
  std::vector<Route> routes;
  routes.push_back(route_with("errors", nullptr));
  if (!routes.back().condition.set_level_min("error")) std::abort();
  run(state, std::move(routes));
}
BENCHMARK(RouteByLevelMin);

void FloorCopyRecords(benchmark::State& state) {
  bench::copy(state, bench::parsed_chunk().body, bench::kRecords);
}
BENCHMARK(FloorCopyRecords);

}  // namespace
}  // namespace noroshi

BENCHMARK_MAIN();
