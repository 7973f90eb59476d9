// OutputPlugin: how the program finds an output by its configured name and makes it from one
// [OUTPUT] section. app/plugins.cc holds the readable list of all of them; each plugin's own header
// declares one `extern const OutputPlugin`. Nothing registers itself.
//
// make() runs on the main thread, both at start-up and for `noroshi check`: it validates everything
// that can be validated without the network, opens no connection and writes no file.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "output/output.h"

namespace noroshi {

class Diagnostics;      // config/diagnostics.h
struct AwsEnvironment;  // aws/credentials.h
struct OptionInfo;      // config/option_table_base.h
struct Section;         // config/document.h
class MetricsSource;    // metrics/metric_family.h

// What an output may use beside its own section. Everything referred to outlives the output.
struct OutputContext {
  // Environment variables, files and HTTP transports; tests pass their own.
  const AwsEnvironment& aws;
  // For spool files and small state that must survive a restart; made on first use, never shared
  // between two instances (a plugin adds its own sub-directory). Empty: no disk, keep everything in
  // memory.
  std::filesystem::path state_directory;
  // Identifies the journal that offsets belong to; deterministic names are derived from it.
  std::string journal_id;
  // Alias, else plugin.N as Fluent Bit counts: the `[output:…]` of log lines.
  std::string instance_name;
  // The service's Flush, only if the user wrote it: the longest wait before a batch is sent.
  std::optional<Nanoseconds> flush;
  const Clock& clock;
  // All metrics of the router, for outputs that publish them. Null in tests and in a check.
  const MetricsSource* metrics = nullptr;
};

struct MadeOutput {
  std::unique_ptr<Output> output;
  // For the effective pipeline: "CloudWatch Logs /ecs/backend/errors, streams fargate-<tag>,
  // ap-northeast-1, https://logs.ap-northeast-1.amazonaws.com".
  std::string destination;
  // The record key it takes as the message, if any: `check` warns when an earlier filter consumes
  // it.
  std::optional<std::string> log_key = {};
  // False: nothing is routed to it, whatever its Match (prometheus_exporter).
  bool takes_records = true;
};

struct OutputPlugin {
  std::string_view name;                  // "cloudwatch_logs"
  std::vector<std::string_view> aliases;  // further accepted names: "cloudwatch"
  std::string_view summary;               // one line for --help and docs
  std::vector<OptionInfo> (*options)();
  // nullopt exactly if at least one error was added to `diagnostics`; all problems of the section
  // are collected, not only the first.
  std::optional<MadeOutput> (*make)(const Section& section, OutputContext& context,
                                    Diagnostics& diagnostics);
};

}  // namespace noroshi
