// ConfigFiles: the files one configuration is read from, with the bounds they share: how many, how
// deep they include each other, how long, and that none is read twice. One per parse; blocking.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "config/diagnostics.h"

namespace noroshi {

inline constexpr size_t kConfigFilesMax = 1000;  // as Fluent Bit
inline constexpr size_t kConfigIncludeDepthMax = 32;
inline constexpr size_t kConfigFileBytesMax = 32 * 1024 * 1024;   // one file (Fluent Bit: one line)
inline constexpr size_t kConfigTotalBytesMax = 64 * 1024 * 1024;  // all files of a configuration

class ConfigFiles {
 public:
  explicit ConfigFiles(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  struct Opened {
    std::string text = {};
    std::string directory = {};  // symbolic links resolved
    std::pair<dev_t, ino_t> identity = {};
  };
  // Reads a file that `from` names (no place: the main file). nullopt after saying why not. Until
  // close() of what it returns, including it again is "includes itself".
  [[nodiscard]] std::optional<Opened> open(const std::string& path, const SourceLocation& from,
                                           size_t depth);
  void close(const Opened& file) { open_.erase(file.identity); }
  // Text that came from no file counts as well.
  void add_text(size_t bytes) { total_bytes_ += bytes; }

 private:
  Diagnostics& diagnostics_;
  size_t count_ = 0;
  size_t total_bytes_ = 0;
  // Where each file (device and inode) was included from.
  std::map<std::pair<dev_t, ino_t>, SourceLocation> read_;
  std::set<std::pair<dev_t, ino_t>> open_;
};

}  // namespace noroshi
