// Fluent Bit's command line, as `noroshi`, `fluent-bit` and `noroshi check` take it: the flags of
// fluent-bit.c 5.1, in any order and spelling getopt_long(3) knows, where -p, -m and -t belong to
// the -i, -F or -o before them:
//
//   fluent-bit -i forward -p port=24224 -F grep -m '*' -p 'regex=log ERROR' -o stdout
#pragma once

#include <string>
#include <vector>

#include "app/cli/verbs.h"

namespace noroshi {

struct CommandLine {
  enum class Action { Run, Check, Help, HelpOfPlugin, Version, Mistake };

  Action action = Action::Run;
  RunArguments arguments = {};
  std::string plugin = {};   // HelpOfPlugin: "input/tail"
  std::string mistake = {};  // what was wrong, one line
};

// argv[0] is skipped. Prints nothing and never exits.
[[nodiscard]] CommandLine parse_command_line(int argc, char* const* argv);

// What --help says of the flags.
[[nodiscard]] std::string command_line_help();

}  // namespace noroshi
