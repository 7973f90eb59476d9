#include "app/plugins.h"

#include <algorithm>

#include "filter/aws/aws.h"
#include "filter/content_modifier/content_modifier.h"
#include "filter/ecs/ecs.h"
#include "filter/expect/expect.h"
#include "filter/grep/grep.h"
#include "filter/log_to_metrics/log_to_metrics.h"
#include "filter/lua/lua.h"
#include "filter/modify/modify.h"
#include "filter/multiline/multiline.h"
#include "filter/nest/nest.h"
#include "filter/parser/parser.h"
#include "filter/partial_message/partial_message.h"
#include "filter/record_modifier/record_modifier.h"
#include "filter/redact/redact.h"
#include "filter/rewrite_tag/rewrite_tag.h"
#include "filter/stdout/stdout.h"
#include "filter/throttle/throttle.h"
#include "filter/type_converter/type_converter.h"
#include "input/dummy/dummy.h"
#include "input/exec/exec.h"
#include "input/fluentbit_metrics/fluentbit_metrics.h"
#include "input/forward/forward.h"
#include "input/http/http.h"
#include "input/opentelemetry/opentelemetry.h"
#include "input/random/random.h"
#include "input/stdin/stdin.h"
#include "input/syslog/syslog.h"
#include "input/tail/tail.h"
#include "input/tcp/tcp.h"
#include "input/udp/udp.h"
#include "output/cloudwatch_logs/cloudwatch_logs.h"
#include "output/datadog/datadog.h"
#include "output/file/file.h"
#include "output/forward/forward.h"
#include "output/http/http.h"
#include "output/kafka/kafka.h"
#include "output/kinesis_firehose/kinesis_firehose.h"
#include "output/kinesis_streams/kinesis_streams.h"
#include "output/loki/loki.h"
#include "output/nrlogs/nrlogs.h"
#include "output/null/null.h"
#include "output/opensearch/opensearch.h"
#include "output/opentelemetry/opentelemetry.h"
#include "output/prometheus_exporter/prometheus_exporter.h"
#include "output/s3/s3.h"
#include "output/splunk/splunk.h"
#include "output/stdout/stdout.h"
#include "output/syslog/syslog.h"
#include "output/tcp/tcp.h"

namespace noroshi {

const PluginSet& all_plugins() {
  // One line each, in the order of the alphabet.
  // clang-format off
  static const PluginSet plugins{
      .inputs = {
          &kDummyInput,
          &kExecInput,
          &kFluentbitMetricsInput,
          &kForwardInput,
          &kHttpInput,
          &kOpentelemetryInput,
          &kRandomInput,
          &kStdinInput,
          &kSyslogInput,
          &kTailInput,
          &kTcpInput,
          &kUdpInput,
      },
      .filters = {
          &kAwsFilter,
          &kContentModifierFilter,
          &kEcsFilter,
          &kExpectFilter,
          &kGrepFilter,
          &kLogToMetricsFilter,
          &kLuaFilter,
          &kModifyFilter,
          &kMultilineFilter,
          &kNestFilter,
          &kParserFilter,
          &kPartialMessageFilter,
          &kRecordModifierFilter,
          &kRedactFilter,
          &kRewriteTagFilter,
          &kStdoutFilter,
          &kThrottleFilter,
          &kTypeConverterFilter,
      },
      .outputs = {
          &kCloudWatchLogsPlugin,
          &kDatadogOutput,
          &kEsOutput,
          &kFilePlugin,
          &kForwardOutputPlugin,
          &kHttpOutput,
          &kKafkaOutput,
          &kKinesisFirehoseOutput,
          &kKinesisStreamsOutput,
          &kLokiOutput,
          &kNrlogsOutput,
          &kNullPlugin,
          &kOpensearchOutput,
          &kOpentelemetryOutput,
          &kPrometheusExporterPlugin,
          &kS3Plugin,
          &kSplunkOutput,
          &kStdoutPlugin,
          &kSyslogOutputPlugin,
          &kTcpOutputPlugin,
      },
  };
  // clang-format on
  return plugins;
}

namespace {

template <typename Plugin>
bool knows(const std::vector<const Plugin*>& plugins, const Section& section) {
  const std::string name = section.plugin();
  return std::ranges::any_of(plugins, [&](const Plugin* plugin) {
    if constexpr (requires { plugin->aliases; }) {
      if (std::ranges::find(plugin->aliases, name) != plugin->aliases.end()) return true;
    }
    return plugin->name == name;
  });
}

}  // namespace

bool knows_all_plugins(const Document& document) {
  const PluginSet& plugins = all_plugins();
  return std::ranges::all_of(document.sections, [&](const Section& section) {
    switch (section.kind) {
      case SectionKind::Input:
        return knows(plugins.inputs, section);
      case SectionKind::Filter:
        return knows(plugins.filters, section);
      case SectionKind::Output:
        return knows(plugins.outputs, section);
      default:
        return true;
    }
  });
}

}  // namespace noroshi
