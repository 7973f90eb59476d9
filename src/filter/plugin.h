// FilterPlugin: how the program finds a filter by its configured name and makes it from one
// [FILTER] section. app/plugins.cc holds the readable list of all of them; each plugin's own header
// declares one `extern const FilterPlugin`. Nothing registers itself.
//
// make() runs on the main thread, at start-up and for `noroshi check`: it really compiles every
// regular expression and resolves every parser, and touches neither network nor disk.
//
// Metrics: the chain counts FilterMetrics::records and ::bytes; a filter counts what it added and
// dropped.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "filter/filter.h"

namespace noroshi {

class Diagnostics;      // config/diagnostics.h
struct AwsEnvironment;  // aws/credentials.h
[[nodiscard]] const AwsEnvironment& aws_process_environment();
class ParserRegistry;  // parser/parser_registry.h
struct Section;        // config/document.h
struct OptionInfo;     // config/option_table.h

// What a filter may use beside its own section. Everything referred to outlives the filter.
struct FilterContext {
  const ParserRegistry& parsers;
  // Alias, else plugin.N as Fluent Bit counts: the `[filter:…]` of log lines.
  std::string instance_name = {};
  // Of the main configuration file: where relative paths are looked for after the working
  // directory.
  std::string config_directory = {};
  const Clock& clock = system_clock();
  // For filters that ask the task's or the instance's metadata, once records come.
  const AwsEnvironment& aws = aws_process_environment();
};

struct MadeFilter {
  std::unique_ptr<Filter> filter;
  // For the effective pipeline: "parses log as json, keeps the other fields".
  std::string description = {};
  // Top-level record keys that are gone after this filter: `check` warns when an output's log_key
  // is one.
  std::vector<std::string> consumed_keys = {};
  // What it counts beside FilterMetrics' own: shown at /metrics.
  std::vector<std::shared_ptr<FilterCounter>> counters = {};
  // Whole metrics of its own (log_to_metrics), shown as they are.
  std::shared_ptr<const MetricsSource> metrics = {};
};

struct FilterPlugin {
  std::string_view name;     // "record_modifier"
  std::string_view summary;  // one line for --help and docs
  std::vector<OptionInfo> (*options)();
  // nullopt exactly if at least one error was added to `diagnostics`; all problems of the section
  // are collected, not only the first.
  std::optional<MadeFilter> (*make)(const Section& section, const FilterContext& context,
                                    Diagnostics& diagnostics);
};

}  // namespace noroshi
