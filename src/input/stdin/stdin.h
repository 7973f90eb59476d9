// The `stdin` input: lines of standard input. A JSON object becomes the record, anything else
// {"log": line}.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "input/plugin.h"
#include "parser/parser.h"

namespace noroshi {

struct StdinOptions {
  std::string tag = "stdin.0";
  // Bytes of one line; a longer one becomes several records, counted as malformed.
  size_t line_bytes_max = 1 << 20;
  std::unique_ptr<Parser> parser = {};  // instead of JSON
};

// Reads `descriptor` (a copy of standard input, or a test's pipe).
[[nodiscard]] std::unique_ptr<Input> make_stdin(StdinOptions options, UniqueFd descriptor,
                                                std::string instance_name,
                                                const Clock& clock = system_clock());

extern const InputPlugin kStdinInput;

}  // namespace noroshi
