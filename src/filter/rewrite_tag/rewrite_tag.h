// Filter `rewrite_tag`: sends records on under another tag, from the head of the chain. README.md
// beside this file says what each option means to an operator.
#pragma once

#include <vector>

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

// Tags one chunk may be spread over before the records collected so far are sent.
inline constexpr size_t kRewriteTagsOpenMax = 64;
// A longer new tag is not used: the record stays where it is.
inline constexpr size_t kRewrittenTagBytesMax = 4096;

struct RewriteTagOptions {
  std::vector<LocatedText> rules = {};  // "$KEY REGEX NEW_TAG KEEP"
};

const OptionTable<RewriteTagOptions>& rewrite_tag_option_table();
extern const FilterPlugin kRewriteTagFilter;

}  // namespace noroshi
