// Outputs opensearch and es: documents through the bulk API of OpenSearch and Elasticsearch.
// README.md is the manual.
#pragma once

#include <string>

#include "output/plugin.h"
#include "output/request/http_options.h"

namespace noroshi {

enum class BulkOperation { Create, Index, Update, Upsert };

struct OpensearchOptions : HttpOptions {
  LocatedText index;
  std::string type;
  bool suppress_type_name = false;
  bool logstash_format = false;
  std::string logstash_prefix, logstash_prefix_separator, logstash_dateformat;
  LocatedText logstash_prefix_key;
  std::string time_key, time_key_format;
  bool time_key_nanos = false;
  bool include_tag_key = false;
  std::string tag_key;
  std::string path, pipeline;
  bool generate_id = false;
  BulkOperation write_operation = BulkOperation::Create;
  LocatedText id_key;
  bool replace_dots = false;
  bool current_time_index = false;
  // es only.
  std::string cloud_id, cloud_auth, http_api_key, upstream;
};

[[nodiscard]] const OptionTable<OpensearchOptions>& opensearch_option_table();
[[nodiscard]] const OptionTable<OpensearchOptions>& es_option_table();

extern const OutputPlugin kOpensearchOutput;
extern const OutputPlugin kEsOutput;

}  // namespace noroshi
