// Files of the data directory: names that any key can have, and replacement in one step.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace noroshi::localaws {

// A file name for any text: readable where it can be, percent-encoded elsewhere ('/' too); long
// ones are cut and get their hash. Different texts give different names; never "." or "..", never
// with '@'.
[[nodiscard]] std::string file_name_for(std::string_view text);

[[nodiscard]] Status make_directories(const std::string& path);
[[nodiscard]] Result<std::string> read_whole_file(const std::string& path);
// Written beside and renamed over: readers see the old text or the new one.
[[nodiscard]] Status replace_file(const std::string& path, std::string_view text);
[[nodiscard]] Status write_all(int fd, std::string_view bytes);

// A file being written under tmp/, gone unless it is moved into place.
class PendingFile {
 public:
  static Result<PendingFile> create(const std::string& temporary_directory);
  PendingFile(PendingFile&& other) noexcept;
  PendingFile& operator=(PendingFile&&) = delete;
  ~PendingFile();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] Status move_to(const std::string& path);

 private:
  PendingFile(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;  // empty once moved
  UniqueFd fd_;
};

}  // namespace noroshi::localaws
