#include "config/config_reader.h"

#include "config/config_file.h"
#include "config/secret_options.h"
#include "config/variables.h"

namespace noroshi {

Document ConfigReader::parse_file(const std::string& path) {
  main_directory_ = directory_of_file(path);
  read_file(path, {}, 0);
  return finish();
}

Document ConfigReader::parse_text(std::string name, std::string text) {
  main_directory_ = options_.working_directory;
  files_.add_text(text.size());
  read_text(std::move(name), std::move(text), main_directory_, 0);
  return finish();
}

void ConfigReader::read_file(const std::string& path, const SourceLocation& from, size_t depth) {
  std::optional<ConfigFiles::Opened> opened = files_.open(path, from, depth);
  if (!opened) return;
  read_text(path, std::move(opened->text), std::move(opened->directory), depth);
  files_.close(*opened);
}

Document ConfigReader::finish() {
  Variables variables(options_.environment, set_);
  for (Section& section : document_.sections) variables.expand(section, diagnostics_);
  document_.environment = std::move(set_);
  document_.main_directory = std::move(main_directory_);
  remember_secrets(document_);
  return std::move(document_);
}

}  // namespace noroshi
