#include "filter/log_to_metrics/log_to_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/classic.h"
#include "config/diagnostics.h"
#include "metrics/metric_family.h"
#include "parser/parser_registry.h"
#include "record/json_parser.h"

namespace noroshi {
namespace {

using testing::HasSubstr;
using testing::Not;

class NoOutput final : public FilterOutput {
 public:
  void emit(Chunk&, bool) override { FAIL() << "metrics are no records"; }
};

class LogToMetrics : public testing::Test {
 protected:
  bool make(const std::string& options) {
    diagnostics_ = {};
    document_ = parse_classic_text(
        "test.conf", "[FILTER]\n    Name log_to_metrics\n    Match *\n" + options, diagnostics_);
    const ParserRegistry parsers;
    auto made =
        kLogToMetricsFilter.make(*document_.find_all(SectionKind::Filter).front(),
                                 {.parsers = parsers, .instance_name = "m.0"}, diagnostics_);
    if (!made) return false;
    made_ = std::move(*made);
    return true;
  }
  // How many records go on.
  size_t apply(const std::vector<std::string>& records) {
    Chunk chunk;
    chunk.tag = "app";
    for (const std::string& record : records) {
      std::string map;
      JsonToMsgpack json;
      EXPECT_TRUE(json.append_object(record, map)) << record;
      chunk.append(Timestamp{}, map);
    }
    NoOutput output;
    made_.filter->apply(chunk, output, metrics_);
    return chunk.records.size();
  }
  std::string metrics() {
    MetricFamilies families;
    made_.metrics->collect(families);
    return render_prometheus(families.all());
  }
  Diagnostics diagnostics_;
  Document document_;
  MadeFilter made_;
  FilterMetrics metrics_;
};

TEST_F(LogToMetrics, CountsByLabels) {
  ASSERT_TRUE(
      make("    Metric_Name requests\n    Metric_Description How many\n"
           "    Label_Field method\n    Add_Label code $answer['status']\n"
           "    Exclude path ^/health\n"))
      << diagnostics_.render();
  EXPECT_EQ(apply({R"({"method":"GET","answer":{"status":200},"path":"/a"})",
                   R"({"method":"GET","answer":{"status":200}})", R"({"method":"PO\"ST"})",
                   R"({"method":"GET","path":"/health"})"}),
            4u);
  EXPECT_EQ(metrics(),
            "# HELP log_metric_counter_requests How many\n"
            "# TYPE log_metric_counter_requests counter\n"
            "log_metric_counter_requests{method=\"GET\",code=\"200\"} 2\n"
            "log_metric_counter_requests{method=\"PO\\\"ST\",code=\"\"} 1\n");
}

TEST_F(LogToMetrics, AGaugeIsTheLastNumber) {
  ASSERT_TRUE(
      make("    Metric_Mode gauge\n    Metric_Name depth\n    Metric_Description d\n"
           "    Value_Field n\n    Metric_Namespace app\n    Metric_Subsystem queue\n"
           "    Discard_Logs on\n"))
      << diagnostics_.render();
  EXPECT_EQ(apply({R"({"n":3})", R"({"n":"4.5"})", R"({"n":"many"})", R"({"m":1})"}), 0u);
  EXPECT_THAT(metrics(), HasSubstr("\napp_queue_depth 4.5\n"));
  EXPECT_EQ(made_.counters[1]->counter.get(), 2u) << "unmeasured";
  EXPECT_EQ(metrics_.dropped.get(), 4u);
}

TEST_F(LogToMetrics, AHistogramHasCumulativeBuckets) {
  ASSERT_TRUE(
      make("    Metric_Mode histogram\n    Metric_Name t\n    Metric_Description d\n"
           "    Value_Field t\n    Bucket 2\n    Bucket 1\n"))
      << diagnostics_.render();
  apply({R"({"t":0.5})", R"({"t":1})", R"({"t":1.5})", R"({"t":-1})", R"({"t":100})"});
  EXPECT_THAT(metrics(), HasSubstr("log_metric_histogram_t_bucket{le=\"1\"} 3\n"
                                   "log_metric_histogram_t_bucket{le=\"2\"} 4\n"
                                   "log_metric_histogram_t_bucket{le=\"+Inf\"} 5\n"
                                   "log_metric_histogram_t_sum 102\n"
                                   "log_metric_histogram_t_count 5\n"));
}

TEST_F(LogToMetrics, LabelSetsAreBounded) {
  ASSERT_TRUE(make("    Metric_Name r\n    Metric_Description d\n    Label_Field id\n"));
  std::vector<std::string> records;
  for (size_t i = 0; i < kLabelSetsMax + 50; ++i)
    records.push_back("{\"id\":" + std::to_string(i) + "}");
  apply(records);
  apply({R"({"id":0})"});
  EXPECT_THAT(metrics(), HasSubstr("{id=\"0\"} 2\n"));
  EXPECT_THAT(metrics(), HasSubstr("{id=\"\"} 50\n"));
  EXPECT_THAT(metrics(), Not(HasSubstr("{id=\"1001\"}")));
  EXPECT_EQ(made_.counters[0]->counter.get(), 50u);
}

TEST_F(LogToMetrics, MistakesAreShown) {
  EXPECT_FALSE(make("    Metric_Mode gauge\n    Metric_Name a\n    Metric_Description d\n"));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("need a value_field"));
  EXPECT_FALSE(
      make("    Metric_Name a\n    Metric_Description d\n    Label_Field x\n"
           "    Add_Label x $y\n    Bucket much\n    Regex only\n"));
  EXPECT_EQ(diagnostics_.error_count(), 3u) << diagnostics_.render();
}

}  // namespace
}  // namespace noroshi
