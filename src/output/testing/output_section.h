// What a test gives the make() of an output plugin: a section as a user writes it, and what the
// program would give it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aws/credentials.h"
#include "config/document.h"
#include "config/values.h"
#include "output/plugin.h"

namespace noroshi::testing {

using OptionPairs = std::vector<std::pair<std::string, std::string>>;

// [OUTPUT], Name and `pairs`, in their order.
inline Section output_section(std::string_view plugin, const OptionPairs& pairs) {
  Section section{.kind = SectionKind::Output, .title = "OUTPUT"};
  const auto add = [&](const std::string& key, std::string value) {
    section.properties.push_back(
        {.key = key, .name = to_lower(key), .values = {{.text = std::move(value)}}});
  };
  add("Name", std::string(plugin));
  for (const auto& [key, value] : pairs) add(key, value);
  return section;
}

// Without a directory and without Flush, for outputs that need nothing of AWS.
inline OutputContext output_context(const OutputPlugin& plugin) {
  return {.aws = aws_process_environment(),
          .state_directory = {},
          .journal_id = "journal",
          .instance_name = std::string(plugin.name) + ".0",
          .flush = {},
          .clock = system_clock()};
}

}  // namespace noroshi::testing
