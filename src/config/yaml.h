// Fluent Bit's YAML configuration → the same Document the classic format gives, so that every
// table, message and check behind it is the same. README.md says where YAML has more:
//
//   processors of an input, output or route   children of kind Filter; `title` is the signal (logs)
//   routes of an input                        children of kind Group titled "route": name, signal,
//                                             per_record_routing; their children: condition,
//                                             processors, and one Group "to" per output (name,
//                                             fallback)
//   condition                                 Group "condition": op, default; its children: one
//                                             Group "rule" per rule (field, op, value …, context)
//   rules of a multiline parser               properties `rule`, written as the classic line
//
// Never throws. Blocking file I/O while it reads included files; call it before the loops start.
#pragma once

#include <string>

#include "config/classic.h"
#include "config/diagnostics.h"
#include "config/document.h"

namespace noroshi {

[[nodiscard]] Document parse_yaml_file(const std::string& path, Diagnostics& diagnostics,
                                       const ClassicOptions& options = {});
// `name` stands for the file in messages; includes are relative to the working directory.
[[nodiscard]] Document parse_yaml_text(std::string name, std::string text, Diagnostics& diagnostics,
                                       const ClassicOptions& options = {});

}  // namespace noroshi
