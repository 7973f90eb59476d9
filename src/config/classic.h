// The classic Fluent Bit configuration text → Document. README.md has the grammar and where this
// parser is laxer than Fluent Bit (always with a warning).
//
//   Diagnostics diagnostics;
//   Document document = parse_classic_file("/fluent-bit/etc/fluent-bit.conf", diagnostics);
//   diagnostics.print(stderr);
//   if (diagnostics.has_errors()) …
//
// Never throws, never exits. Problems go to diagnostics; the document holds everything that could
// be read, so that later stages can report their problems in the same run. Includes are read while
// parsing; after that no file is touched. Blocking file I/O; call it before the loops start.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "config/diagnostics.h"
#include "config/document.h"
#include "config/variables.h"

namespace noroshi {

struct ClassicOptions {
  EnvironmentLookup environment = process_environment();
  std::string working_directory = {};  // relative includes are tried here first; "": the process's
  // @SETs from elsewhere (the main file, when this is a parsers file); the text's own beat them.
  std::map<std::string, std::string> variables = {};
};

[[nodiscard]] Document parse_classic_file(const std::string& path, Diagnostics& diagnostics,
                                          const ClassicOptions& options = {});

// `name` stands for the file in messages ("NOROSHI_CONFIG"); includes are relative to the working
// directory.
[[nodiscard]] Document parse_classic_text(std::string name, std::string text,
                                          Diagnostics& diagnostics,
                                          const ClassicOptions& options = {});

}  // namespace noroshi
