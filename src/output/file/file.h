// Output file: records as text, appended to files. README.md is its manual.
#pragma once

#include <string>
#include <string_view>

#include "config/option_table.h"
#include "output/plugin.h"
#include "output/text/text_encoder.h"

namespace noroshi {

struct FileOptions {
  std::string path;
  std::string file;
  bool mkdir = false;
  TextFormat format = TextFormat::OutFile;
  LocatedText delimiter, label_delimiter;
  std::string record_template;
  bool csv_column_names = false;
};

[[nodiscard]] const OptionTable<FileOptions>& file_option_table();

// The name of a file for a tag: '/' separates directories, everything but letters, digits, '-', '_'
// and '.' becomes '_', and so do "." and "..": it cannot leave its directory. Never empty.
[[nodiscard]] std::string file_name_of_tag(std::string_view tag);

extern const OutputPlugin kFilePlugin;

}  // namespace noroshi
