#include "config/config_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "base/unique_fd.h"

namespace noroshi {

Result<std::string> read_config_file(const std::string& path, size_t bytes_max) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, fmt::format("cannot open {}", path));
  std::string content;
  std::array<char, 16384> buffer{};
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, fmt::format("cannot read {}", path));
    if (count == 0) return content;
    content.append(buffer.data(), static_cast<size_t>(count));
    if (content.size() > bytes_max) {
      return fail(ErrorCode::Exhausted, fmt::format("{} is longer than {} bytes", path, bytes_max));
    }
  }
}

std::string directory_of_file(const std::string& path) {
  std::array<char, PATH_MAX> resolved{};
  if (::realpath(path.c_str(), resolved.data()) == nullptr) return ".";
  const std::string full(resolved.data());
  const size_t slash = full.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : full.substr(0, slash);
}

std::string joined_path(std::string_view directory, std::string_view path) {
  if (directory.empty() || path.starts_with('/')) return std::string(path);
  return fmt::format("{}{}{}", directory, directory.ends_with('/') ? "" : "/", path);
}

Result<std::string> find_config_file(std::string_view path,
                                     const std::vector<std::string>& directories) {
  std::vector<std::string> tried;
  for (const std::string& directory : directories) {
    std::string candidate = joined_path(directory, path);
    struct stat status{};
    if (::stat(candidate.c_str(), &status) == 0) return candidate;
    if (std::ranges::find(tried, candidate) == tried.end()) tried.push_back(std::move(candidate));
  }
  return fail(ErrorCode::NotFound, fmt::format("no such file: {}", fmt::join(tried, ", ")));
}

Result<std::vector<std::string>> find_config_files(std::string_view pattern,
                                                   const std::vector<std::string>& directories) {
  std::vector<std::string> tried;
  for (const std::string& directory : directories) {
    std::string candidate = joined_path(directory, pattern);
    glob_t found{};
    const int status = ::glob(candidate.c_str(), GLOB_NOSORT, nullptr, &found);
    std::vector<std::string> paths;
    for (size_t i = 0; status == 0 && i < found.gl_pathc; ++i) {
      struct stat entry{};
      const bool directory_entry = ::stat(found.gl_pathv[i], &entry) == 0 && S_ISDIR(entry.st_mode);
      if (!directory_entry) paths.emplace_back(found.gl_pathv[i]);
    }
    ::globfree(&found);
    if (!paths.empty()) {
      std::ranges::sort(paths);
      return paths;
    }
    if (std::ranges::find(tried, candidate) == tried.end()) tried.push_back(std::move(candidate));
  }
  return fail(ErrorCode::NotFound, fmt::format("no file matches {}", fmt::join(tried, ", ")));
}

}  // namespace noroshi
