// Output stdout: records as text on standard output. README.md is its manual.
#pragma once

#include <memory>

#include "config/option_table.h"
#include "output/plugin.h"
#include "output/text/text_encoder.h"

namespace noroshi {

struct StdoutOptions {
  TextFormat format = TextFormat::Msgpack;
  LocatedText json_date_key;
  LocatedText json_date_format;
};

[[nodiscard]] const OptionTable<StdoutOptions>& stdout_option_table();

// `fd` is borrowed: 1, or what a test reads. `clock` outlives the output.
[[nodiscard]] std::unique_ptr<Output> make_stdout_output(TextOptions options, Nanoseconds age_max,
                                                         const Clock& clock, int fd = 1);

extern const OutputPlugin kStdoutPlugin;

}  // namespace noroshi
