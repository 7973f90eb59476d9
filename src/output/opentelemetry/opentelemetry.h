// Output opentelemetry: logs to an OTLP/HTTP receiver. README.md is its manual.
#pragma once

#include <string>
#include <vector>

#include "output/plugin.h"
#include "output/request/http_options.h"

namespace noroshi {

struct OpentelemetryOptions : HttpOptions {
  std::string logs_uri;
  std::vector<LocatedText> add_label;
  int64_t batch_size = 0;
  std::vector<LocatedText> logs_body_key;
  bool logs_body_key_attributes = true;
  std::string logs_metadata_key;
  LocatedText span_id_key, trace_id_key, severity_text_key, severity_number_key;
  bool grpc = false;
};

[[nodiscard]] const OptionTable<OpentelemetryOptions>& opentelemetry_option_table();

extern const OutputPlugin kOpentelemetryOutput;

}  // namespace noroshi
