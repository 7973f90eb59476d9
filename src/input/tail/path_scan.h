// Which files a tail input reads, and what their records are tagged.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/regex.h"
#include "base/result.h"

namespace noroshi::tail {

// Files that exist now and match one of `patterns` (glob(3): * ? [...], a name without one is that
// file) and none of `excluded`, which are matched with the path and with the name alone. Sorted,
// each once; directories are left out.
[[nodiscard]] std::vector<std::string> matching_files(const std::vector<std::string>& patterns,
                                                      const std::vector<std::string>& excluded);

// Whether `path`, in the form directories_of() gives directories, would be among them if it is a
// file. Not for patterns that begin with '~'.
[[nodiscard]] bool matches(const std::vector<std::string>& patterns,
                           const std::vector<std::string>& excluded, const std::string& path);

// The directories in which a new file could match: those without a wildcard in their own name.
[[nodiscard]] std::set<std::string> directories_of(const std::vector<std::string>& patterns);

// The tag of a file, as Fluent Bit makes it: in a tag with '*' the path replaces it, with '.' for
// '/', '\\' and ':'; with a tag_regex, `<name>` becomes that group ('_' if there is none).
class FileTag {
 public:
  // InvalidArgument if the regex or the tag's angle brackets are wrong.
  [[nodiscard]] static Result<FileTag> make(std::string tag, const std::string& tag_regex);
  // nullopt if the tag_regex does not match the path.
  [[nodiscard]] std::optional<std::string> of(const std::string& path) const;

 private:
  std::string tag_;
  std::optional<Regex> regex_;
};

}  // namespace noroshi::tail
