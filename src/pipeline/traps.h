// Traps: configurations that are legal and still do not do what their author wanted. Each becomes a
// warning with the place and the way out, at start-up and in `noroshi check`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/regex.h"
#include "config/common_options.h"
#include "config/diagnostics.h"
#include "config/document.h"
#include "pipeline/own_address.h"
#include "record/tag_match.h"

namespace noroshi {

// A compiled Match and Match_Regex.
struct Matching {
  std::vector<TagPattern> patterns = {};
  std::optional<Regex> regex = {};
  std::string text = {};  // for people

  [[nodiscard]] bool matches(std::string_view tag) const;
};

// A record key that is gone after a filter.
struct ConsumedKey {
  std::string key = {};
  SourceLocation where = {};  // the filter's section
  std::string match = {};
};

// True for an [OUTPUT] whose address is one this router listens on for the same protocol (the
// options of the specification's CDK snippet: forward to log-router:24224): every record would come
// back to it for ever. Warns; the caller leaves it out, before its plugin is even looked for.
[[nodiscard]] bool sends_to_itself(const Section& output, const Document& document,
                                   const OwnAddress& own, Diagnostics& diagnostics);

void warn_of_consumed_log_key(const Section& output, const std::string& log_key,
                              const std::vector<ConsumedKey>& consumed, Diagnostics& diagnostics);
void warn_of_retry_limit(const Section& output, const OutputCommon& common,
                         Diagnostics& diagnostics);
// `tags` are all tags that can occur.
void warn_of_no_records(const Section& output, const Matching& matching,
                        const std::vector<std::string>& tags, Diagnostics& diagnostics);
// A rewrite_tag rule whose new tag its own Match selects again.
void warn_of_rewrite_loop(const Section& filter, const Matching& matching,
                          Diagnostics& diagnostics);

// Stream tasks, customs, and shared objects other than AWS's three Go plugins.
void warn_of_sections_without_effect(const Document& document, Diagnostics& diagnostics);

}  // namespace noroshi
