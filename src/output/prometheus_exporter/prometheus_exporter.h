// Output `prometheus_exporter`: a page of metrics for scrapers. README.md beside this file.
#pragma once

#include <string>
#include <vector>

#include "config/option_table.h"
#include "output/plugin.h"

namespace noroshi {

struct PrometheusExporterOptions {
  std::string host = {};
  int64_t port = 0;
  std::vector<LocatedText> add_label = {};
  bool add_timestamp = false;
};

const OptionTable<PrometheusExporterOptions>& prometheus_exporter_option_table();
extern const OutputPlugin kPrometheusExporterPlugin;

}  // namespace noroshi
