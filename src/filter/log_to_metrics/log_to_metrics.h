// Filter `log_to_metrics`: counts records, or measures a field of them, by labels. README.md beside
// this file says what each option means to an operator.
#pragma once

#include <string>
#include <vector>

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

// Combinations of label values that one filter counts; further ones are counted together with no
// values, so that a field with a request id costs neither memory nor the scraper.
inline constexpr size_t kLabelSetsMax = 1000;

struct LogToMetricsOptions {
  enum class Mode { Counter, Gauge, Histogram };
  Mode mode = Mode::Counter;
  std::string name = {}, description = {};
  std::string metric_namespace = {}, subsystem = {};
  std::vector<LocatedText> labels = {};  // label_field, add_label: in their order
  LocatedText value_field = {};
  std::vector<LocatedText> buckets = {};
  std::vector<LocatedText> rules = {};  // regex, exclude
  bool discard_logs = false;
};

const OptionTable<LogToMetricsOptions>& log_to_metrics_option_table();
extern const FilterPlugin kLogToMetricsFilter;

}  // namespace noroshi
