// Filter `stdout`: shows records on standard output as they pass, unchanged.
#pragma once

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct StdoutFilterOptions {};

const OptionTable<StdoutFilterOptions>& stdout_filter_option_table();
// Appends what is shown of a chunk: "[0] tag: [1763866380.123456789, {}, {"log"=>"…"}]" per record.
void append_shown_records(std::string& out, const ChunkView& chunk);
extern const FilterPlugin kStdoutFilter;

}  // namespace noroshi
