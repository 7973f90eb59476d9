#include "input/fluentbit_metrics/fluentbit_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "config/diagnostics.h"
#include "input/recording_sink.h"
#include "input/test_section.h"
#include "metrics/metric_family.h"
#include "net/listener_registry.h"
#include "parser/parser_registry.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

class OneMetric final : public MetricsSource {
 public:
  void collect(MetricFamilies& families) const override {
    families.add("a_total", MetricType::Counter, "help", {{"name", "x"}}, 3);
    families.add("b", MetricType::Gauge, "help", {}, 0.5);
  }
};

class FluentbitMetrics : public testing::Test {
 protected:
  void run(std::vector<std::pair<std::string, std::string>> properties) {
    properties.insert(properties.begin(), {"Name", "fluentbit_metrics"});
    InputContext context{.parsers = parsers_,
                         .listeners = listeners_,
                         .instance_name = "fluentbit_metrics.0",
                         .metrics = &source_};
    Diagnostics diagnostics;
    auto made = kFluentbitMetricsInput.make(section_of(properties), context, diagnostics);
    ASSERT_TRUE(made) << diagnostics.render();
    ASSERT_TRUE(made->input->bind(loop_));
    made->input->start(sink_, metrics_);
    loop_.run_for(std::chrono::milliseconds(50));
    made->input->close();
  }
  OneMetric source_;
  ParserRegistry parsers_;
  ListenerRegistry listeners_;
  boost::asio::io_context loop_;
  RecordingSink sink_;
  InputMetrics metrics_;
};

TEST_F(FluentbitMetrics, MakesNoRecordsUnlessAsked) {
  run({{"Scrape_On_Start", "true"}});
  EXPECT_TRUE(sink_.records.empty());
}

TEST_F(FluentbitMetrics, OneRecordAMetricWhenAsked) {
  run({{"Scrape_On_Start", "true"}, {"noroshi.as_records", "on"}, {"Tag", "internal"}});
  ASSERT_EQ(sink_.records.size(), 2u);
  EXPECT_EQ(sink_.records[0].tag, "internal");
  std::string json;
  ASSERT_TRUE(write_json(json, sink_.records[0].record));
  EXPECT_EQ(json, R"({"metric":"a_total","labels":{"name":"x"},"value":3.0})");
  json.clear();
  ASSERT_TRUE(write_json(json, sink_.records[1].record));
  EXPECT_EQ(json, R"({"metric":"b","value":0.5})");
}

}  // namespace
}  // namespace noroshi
