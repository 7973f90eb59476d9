// Finding and reading the files a configuration consists of. Blocking.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace noroshi {

// The whole file. The message of an error names the path. Exhausted: longer than `bytes_max`.
[[nodiscard]] Result<std::string> read_config_file(const std::string& path, size_t bytes_max);

// The directory of a file with symbolic links resolved; "." if there is no such file.
[[nodiscard]] std::string directory_of_file(const std::string& path);

// `directory`/`path`; `path` alone if it is absolute or the directory is empty.
[[nodiscard]] std::string joined_path(std::string_view directory, std::string_view path);

// The first of `path` in these directories that exists, or NotFound with a message naming all
// places tried.
[[nodiscard]] Result<std::string> find_config_file(std::string_view path,
                                                   const std::vector<std::string>& directories);

// Files (no directories) a pattern with '*' means, sorted bytewise, in the first of the directories
// that has any; else NotFound.
[[nodiscard]] Result<std::vector<std::string>> find_config_files(
    std::string_view pattern, const std::vector<std::string>& directories);

}  // namespace noroshi
