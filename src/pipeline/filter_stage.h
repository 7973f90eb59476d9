// FilterStage: one step of ingest's chain, and whose chunks take it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/regex.h"
#include "filter/filter.h"
#include "metrics/metrics.h"
#include "pipeline/router.h"

namespace noroshi {

struct FilterStage {
  std::vector<TagPattern> match = {};
  std::optional<Regex> match_regex = {};
  std::unique_ptr<Filter> filter = {};
  FilterMetrics* metrics = nullptr;
  std::optional<uint16_t> input = {};  // a processor of this input
  std::optional<size_t> output = {};   // a processor of this output
};

}  // namespace noroshi
