// Output splunk: the HTTP Event Collector of Splunk. README.md is its manual.
#pragma once

#include <string>
#include <vector>

#include "output/plugin.h"
#include "output/request/http_options.h"

namespace noroshi {

struct SplunkOptions : HttpOptions {
  std::string splunk_token;
  bool splunk_send_raw = false;
  bool auto_extract_timestamp = false;
  LocatedText event_key, event_host, event_source, event_sourcetype_key, event_index_key;
  std::string event_sourcetype, event_index;
  std::vector<LocatedText> event_field;
  std::string channel;
};

[[nodiscard]] const OptionTable<SplunkOptions>& splunk_option_table();

extern const OutputPlugin kSplunkOutput;

}  // namespace noroshi
