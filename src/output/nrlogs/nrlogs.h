// Output nrlogs: the Log API of New Relic. README.md is its manual.
#pragma once

#include <string>

#include "output/plugin.h"
#include "output/request/http_options.h"

namespace noroshi {

struct NrlogsOptions : HttpOptions {
  LocatedText base_uri;
  std::string api_key, license_key;
};

// https://docs.newrelic.com/docs/logs/log-api/introduction-log-api/ (2026): 1 MB a request as sent.
namespace nrlogs_limits {
inline constexpr uint32_t kRequestBytesMax = 1'000'000;
// Uncompressed, below that even where compression gains nothing.
inline constexpr uint32_t kBatchBytesMax = 900'000;
}  // namespace nrlogs_limits

[[nodiscard]] const OptionTable<NrlogsOptions>& nrlogs_option_table();

extern const OutputPlugin kNrlogsOutput;

}  // namespace noroshi
