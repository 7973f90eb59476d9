// Output loki: the push API of Grafana Loki. README.md is its manual.
#pragma once

#include <string>

#include "output/plugin.h"
#include "output/request/http_options.h"

namespace noroshi {

enum class LokiLineFormat { Json, KeyValue };
enum class DropSingleKey { Off, On, Raw };

struct LokiOptions : HttpOptions {
  std::string uri;
  std::string tenant_id;
  LocatedText tenant_id_key;
  LocatedText labels, label_keys, remove_keys;
  LocatedText structured_metadata, structured_metadata_map_keys;
  DropSingleKey drop_single_key = DropSingleKey::Off;
  LokiLineFormat line_format = LokiLineFormat::Json;
  std::string label_map_path;
};

[[nodiscard]] const OptionTable<LokiOptions>& loki_option_table();

extern const OutputPlugin kLokiOutput;

}  // namespace noroshi
