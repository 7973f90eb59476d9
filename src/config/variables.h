// Variables: ${NAME} and ${NAME:-default} in values.
//
// What is set by the configuration itself (@SET, env:) beats the process environment. A variable
// that is not set stands for nothing, with a warning; an empty process variable counts as not set,
// as in Fluent Bit. A value that begins with file:/// stands for that file's content, without the
// line end at its end. What a variable stands for is not expanded again. $NAME, $(NAME), $TAG[1]
// and %Y are none of our business.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/diagnostics.h"
#include "config/document.h"

namespace noroshi {

inline constexpr size_t kVariableFileBytesMax = 1024 * 1024;   // a file:/// value
inline constexpr size_t kExpandedBytesMax = 64 * 1024 * 1024;  // all values of one configuration

// A variable's value, or nullopt if it is not set.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;
// getenv(3), and HOSTNAME from gethostname(2) if it is not set (as Fluent Bit presets it).
[[nodiscard]] EnvironmentLookup process_environment();

class Variables {
 public:
  Variables(EnvironmentLookup environment, std::map<std::string, std::string> set)
      : environment_(std::move(environment)), set_(std::move(set)) {}

  // Replaces the variables of `value` in place.
  void expand(PropertyValue& value, Diagnostics& diagnostics);
  // Of every property of the section and its children.
  void expand(Section& section, Diagnostics& diagnostics);

  [[nodiscard]] const std::map<std::string, std::string>& set() const { return set_; }

 private:
  std::optional<std::string> lookup(const std::string& name, const SourceLocation& where,
                                    Diagnostics& diagnostics);

  EnvironmentLookup environment_;
  std::map<std::string, std::string> set_;
  size_t expanded_bytes_ = 0;
};

}  // namespace noroshi
