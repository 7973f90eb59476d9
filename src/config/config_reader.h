// What reading a configuration is in either format: the main file, included ones in place, then the
// variables. They are expanded at the end, because @SET and `env` count wherever they stand. How a
// text becomes sections is the format's (classic.cc, yaml.cc).
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "config/classic.h"
#include "config/config_files.h"
#include "config/diagnostics.h"
#include "config/document.h"

namespace noroshi {

class ConfigReader {
 public:
  ConfigReader(const ClassicOptions& options, Diagnostics& diagnostics)
      : options_(options),
        diagnostics_(diagnostics),
        files_(diagnostics),
        set_(options.variables) {}
  virtual ~ConfigReader() = default;

  // One of them, once. Problems go to the diagnostics.
  [[nodiscard]] Document parse_file(const std::string& path);
  [[nodiscard]] Document parse_text(std::string name, std::string text);

 protected:
  // `from`: the place that includes it.
  void read_file(const std::string& path, const SourceLocation& from, size_t depth);
  // Adds its sections to document_ and its variables to set_. `directory`: of the file.
  virtual void read_text(std::string name, std::string text, std::string directory,
                         size_t depth) = 0;

  const ClassicOptions& options_;
  Diagnostics& diagnostics_;
  ConfigFiles files_;
  Document document_;
  std::string main_directory_;
  std::map<std::string, std::string> set_;  // as written

 private:
  [[nodiscard]] Document finish();
};

}  // namespace noroshi
