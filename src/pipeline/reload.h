// What building a pipeline for a reload needs of the one that runs. Only build.cc and reload.cc
// include this.
#pragma once

#include <memory>

#include "config/diagnostics.h"
#include "pipeline/journal_location.h"
#include "pipeline/pipeline.h"

namespace noroshi {

// A section with its groups as text: equal exactly if they say the same, in the same order, after
// variables were replaced.
[[nodiscard]] std::string section_text(const Section& section);

class PipelineReload {
 public:
  // As Pipeline::build(), beside a running pipeline: nothing of it is touched, the new inputs are
  // bound (to the old ones' sockets where the address is the same), nothing is started.
  [[nodiscard]] static std::unique_ptr<Pipeline> build(const Document& document,
                                                       const BuildOptions& options,
                                                       Diagnostics& diagnostics, Pipeline& old);

  // Inputs of `next` that are those of `old` lose their new object and share the old metrics.
  static void match_inputs(const Pipeline& old, uint64_t parsers_fingerprint,
                           std::vector<InputInstance>& next);
  // Filters that go on as they are, and outputs of the same identity, share the old metrics.
  static void match(const Pipeline& old, Pipeline::Running& next,
                    std::vector<FilterInstance>& filters, std::vector<OutputInstance>& outputs);
  [[nodiscard]] static Status bind(Pipeline& old, Input& input);
  // The journal stays where it is: says so if `found` is elsewhere.
  [[nodiscard]] static JournalLocation location(const Pipeline& old, const JournalLocation& found,
                                                const ServiceOptions& service,
                                                Diagnostics& diagnostics);
  // True if the delivery worker of output `i` of `old` may go on as output `j` of `next`.
  [[nodiscard]] static bool goes_on(const Pipeline& old, size_t i, const Pipeline& next, size_t j);
};

}  // namespace noroshi
