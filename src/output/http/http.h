// Output http: records as bodies of HTTP requests. README.md is its manual.
#pragma once

#include <optional>
#include <string>

#include "output/plugin.h"
#include "output/request/http_options.h"
#include "output/request/record_encoder.h"

namespace noroshi {

struct HttpOutputOptions : HttpOptions, RecordFormatOptions {
  std::string uri;
  std::string http_method;
  RecordFormat format = RecordFormat::Json;
  std::string header_tag;
  LocatedText body_key, headers_key;
  bool oauth2_enable = false;
};

[[nodiscard]] const OptionTable<HttpOutputOptions>& http_option_table();

extern const OutputPlugin kHttpOutput;

}  // namespace noroshi
