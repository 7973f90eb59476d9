// ns per record of filters redact and multiline, where there is nothing to do and where there is.
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "config/classic.h"
#include "filter/multiline/multiline.h"
#include "filter/redact/redact.h"
#include "parser/parser_registry.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

constexpr int64_t kRecords = 1000;

class NoOutput final : public FilterOutput {
 public:
  void emit(Chunk& chunk, bool) override { chunk.clear(); }
};

void run(benchmark::State& state, const FilterPlugin& plugin, const std::string& options,
         std::string_view line) {
  Diagnostics diagnostics;
  const Document document =
      parse_classic_text("bench.conf", "[FILTER]\n Name x\n Match *\n" + options, diagnostics);
  const ParserRegistry parsers;
  auto made = plugin.make(*document.find_all(SectionKind::Filter).front(), {.parsers = parsers},
                          diagnostics);
  CHECK(made.has_value(), diagnostics.render());
  std::string record;
  MsgpackWriter writer(record);
  writer.map_header(4);
  for (const auto& [key, value] : std::initializer_list<std::pair<std::string_view, std::string>>{
           {"container_id", std::string(64, 'c')},
           {"container_name", "/backend"},
           {"source", "stderr"},
           {"log", std::string(line)}}) {
    writer.string(key), writer.string(value);
  }
  Chunk input;
  for (int64_t i = 0; i < kRecords; ++i) input.append(Timestamp(Seconds(1795402380)), record);
  NoOutput output;
  FilterMetrics metrics;
  Chunk chunk;
  for (auto _ : state) {
    chunk.tag = "backend";
    chunk.body = input.body;
    chunk.records = input.records;
    made->filter->apply(chunk, output, metrics);
    benchmark::DoNotOptimize(chunk.body.data());
  }
  state.SetItemsProcessed(state.iterations() * kRecords);
  state.counters["time/record"] = benchmark::Counter(
      static_cast<double>(kRecords),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

constexpr std::string_view kJson =
    R"({"timestamp":"2026-11-23T02:53:00.123456+00:00","level":"INFO","logger":"app.access",)"
    R"("message":"GET /items/42 200","request_id":"4f9c1b7e","path":"/items/42","status":200,)"
    R"("duration_ms":12.75})";
constexpr std::string_view kPlain = R"(INFO:     127.0.0.1:43210 - "GET /items HTTP/1.1" 200 OK)";
constexpr std::string_view kMail = R"({"message":"mail to taro@example.com and 4242424242424242"})";

BENCHMARK_CAPTURE(run, redact_nothing, kRedactFilter, "", kJson);
BENCHMARK_CAPTURE(run, redact_mail_and_card, kRedactFilter, "", kMail);
BENCHMARK_CAPTURE(run, redact_regex_nothing, kRedactFilter, " regex phone \\+81[0-9-]{9,}\n",
                  kJson);
BENCHMARK_CAPTURE(run, multiline_json, kMultilineFilter, " multiline.parser python\n", kJson);
BENCHMARK_CAPTURE(run, multiline_plain, kMultilineFilter, " multiline.parser python\n", kPlain);
BENCHMARK_CAPTURE(run, multiline_errors, kMultilineFilter, " multiline.parser python\n",
                  "ERROR:    something went wrong");

}  // namespace
}  // namespace noroshi
