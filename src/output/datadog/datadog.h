// Output datadog: the log intake of Datadog. README.md is its manual.
#pragma once

#include <string>

#include "output/plugin.h"
#include "output/request/http_options.h"

namespace noroshi {

struct DatadogOptions : HttpOptions {
  std::string apikey;
  std::string dd_service, dd_source, dd_tags, dd_hostname, dd_message_key;
  std::string provider;
  std::string json_date_key;
  bool include_tag_key = false;
  std::string tag_key;
  std::string site;
};

// https://docs.datadoghq.com/api/latest/logs/ (v2, 2026): 5 MB uncompressed and 1,000 records a
// request, 1 MB a record.
namespace datadog_limits {
inline constexpr uint32_t kRequestRecordsMax = 1000;
inline constexpr uint32_t kRequestBytesMax = 5'000'000;
inline constexpr uint32_t kRecordBytesMax = 1'000'000;
inline constexpr uint32_t kBatchBytesMax = 2 << 20;  // in memory
static_assert(kBatchBytesMax + kRecordBytesMax <= kRequestBytesMax);
}  // namespace datadog_limits

[[nodiscard]] const OptionTable<DatadogOptions>& datadog_option_table();

extern const OutputPlugin kDatadogOutput;

}  // namespace noroshi
