#include "input/tail/path_scan.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <glob.h>
#include <sys/stat.h>

namespace noroshi::tail {
namespace {

bool has_wildcard(std::string_view path) {
  return path.find_first_of("*?[") != std::string_view::npos;
}

bool is_excluded(const std::string& path, const std::vector<std::string>& patterns) {
  const std::string name = path.substr(path.rfind('/') + 1);
  for (const std::string& pattern : patterns) {
    if (::fnmatch(pattern.c_str(), path.c_str(), 0) == 0) return true;
    if (::fnmatch(pattern.c_str(), name.c_str(), 0) == 0) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> matching_files(const std::vector<std::string>& patterns,
                                        const std::vector<std::string>& excluded) {
  std::set<std::string> found;
  for (const std::string& pattern : patterns) {
    glob_t paths{};
    if (::glob(pattern.c_str(), GLOB_NOSORT | GLOB_TILDE, nullptr, &paths) == 0) {
      for (size_t i = 0; i < paths.gl_pathc; ++i) found.insert(paths.gl_pathv[i]);
    }
    ::globfree(&paths);
  }
  std::vector<std::string> files;
  for (const std::string& path : found) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0 || S_ISDIR(status.st_mode)) continue;
    if (!is_excluded(path, excluded)) files.push_back(path);
  }
  return files;
}

bool matches(const std::vector<std::string>& patterns, const std::vector<std::string>& excluded,
             const std::string& path) {
  for (const std::string& pattern : patterns) {
    if (::fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0)
      return !is_excluded(path, excluded);
  }
  return false;
}

std::set<std::string> directories_of(const std::vector<std::string>& patterns) {
  std::set<std::string> directories;
  for (const std::string& pattern : patterns) {
    const size_t slash = pattern.rfind('/');
    const std::string directory = slash == std::string::npos ? "."
                                  : slash == 0               ? "/"
                                                             : pattern.substr(0, slash);
    if (!has_wildcard(directory)) directories.insert(directory);
  }
  return directories;
}

Result<FileTag> FileTag::make(std::string tag, const std::string& tag_regex) {
  FileTag made;
  made.tag_ = std::move(tag);
  if (tag_regex.empty()) return made;
  NOROSHI_ASSIGN(made.regex_, Regex::compile(tag_regex));
  for (size_t at = made.tag_.find('<'); at != std::string::npos; at = made.tag_.find('<', at + 1)) {
    if (made.tag_.find('>', at) == std::string::npos) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the tag \"{}\" has a '<' without its '>'", made.tag_));
    }
  }
  return made;
}

std::optional<std::string> FileTag::of(const std::string& path) const {
  std::string out;
  if (regex_) {
    RegexMatch match;
    if (regex_->search(path, match) != RegexOutcome::Match) return std::nullopt;
    for (size_t at = 0; at < tag_.size();) {
      if (tag_[at] != '<') {
        out.push_back(tag_[at++]);
        continue;
      }
      const size_t close = tag_.find('>', at);
      const std::string_view name = std::string_view(tag_).substr(at + 1, close - at - 1);
      std::string_view value = "_";
      for (const auto& [group, number] : regex_->names()) {
        if (group == name && match[number].data() != nullptr) value = match[number];
      }
      out += value;
      at = close + 1;
    }
    return out;
  }
  const size_t star = tag_.find('*');
  if (star == std::string::npos) return tag_;
  const std::string whole = tag_.substr(0, star) + path + tag_.substr(star + 1);
  for (char c : whole) {
    if (c == '/' || c == '\\' || c == ':') c = '.';
    if (c == '*' || (c == '.' && (out.empty() || out.back() == '.'))) continue;
    out.push_back(c);
  }
  while (out.ends_with('.')) out.pop_back();
  return out;
}

}  // namespace noroshi::tail
