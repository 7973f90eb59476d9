#include "config/config_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "config/config_file.h"

namespace noroshi {

std::optional<ConfigFiles::Opened> ConfigFiles::open(const std::string& path,
                                                     const SourceLocation& from, size_t depth) {
  if (depth > kConfigIncludeDepthMax) {
    diagnostics_.error(
        from, fmt::format("{}: includes are nested deeper than {}", path, kConfigIncludeDepthMax));
    return std::nullopt;
  }
  if (++count_ > kConfigFilesMax) {
    if (count_ == kConfigFilesMax + 1) {
      diagnostics_.error(
          from, fmt::format("{}: more than {} configuration files", path, kConfigFilesMax));
    }
    return std::nullopt;
  }
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || S_ISDIR(status.st_mode)) {
    const Status refused =
        S_ISDIR(status.st_mode)
            ? Status(fail(ErrorCode::InvalidArgument, fmt::format("{} is a directory", path)))
            : Status(fail_errno(errno, fmt::format("cannot open {}", path)));
    diagnostics_.error(from, refused.error().message);
    return std::nullopt;
  }
  Opened opened{.identity = {status.st_dev, status.st_ino}};
  if (const auto earlier = read_.find(opened.identity); earlier != read_.end()) {
    Diagnostic& diagnostic = diagnostics_.error(
        from, open_.contains(opened.identity) ? fmt::format("{} includes itself", path)
                                              : fmt::format("{} is included twice", path));
    if (earlier->second.source != nullptr) diagnostic.note("first included here", earlier->second);
    return std::nullopt;
  }
  read_[opened.identity] = from;
  Result<std::string> text = read_config_file(path, kConfigFileBytesMax);
  if (!text) {
    diagnostics_.error(from, text.error().message);
    return std::nullopt;
  }
  total_bytes_ += text->size();
  if (total_bytes_ > kConfigTotalBytesMax) {
    diagnostics_.error(from, fmt::format("{}: the configuration is longer than {} MiB in all", path,
                                         kConfigTotalBytesMax >> 20));
    return std::nullopt;
  }
  open_.insert(opened.identity);
  opened.text = *std::move(text);
  opened.directory = directory_of_file(path);
  return opened;
}

}  // namespace noroshi
