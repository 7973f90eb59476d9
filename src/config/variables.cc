#include "config/variables.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "config/config_file.h"

namespace noroshi {
namespace {

constexpr std::string_view kFileScheme = "file:///";

SourceLocation part_of(const SourceLocation& value, size_t begin, size_t length) {
  SourceLocation part = value;
  part.column += static_cast<uint32_t>(begin);
  part.length = static_cast<uint32_t>(length);
  return part;
}

}  // namespace

EnvironmentLookup process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    if (const char* value = std::getenv(name.c_str())) return std::string(value);
    if (name == "HOSTNAME") {
      std::array<char, 256> host{};
      if (gethostname(host.data(), host.size() - 1) == 0) return std::string(host.data());
    }
    return std::nullopt;
  };
}

std::optional<std::string> Variables::lookup(const std::string& name, const SourceLocation& where,
                                             Diagnostics& diagnostics) {
  std::optional<std::string> value;
  if (const auto found = set_.find(name); found != set_.end()) {
    value = found->second;
  } else {
    value = environment_(name);
    if (value && value->empty()) value.reset();
  }
  if (!value || !value->starts_with(kFileScheme)) return value;
  const std::string path = value->substr(kFileScheme.size() - 1);
  Result<std::string> content = read_config_file(path, kVariableFileBytesMax);
  if (!content) {
    diagnostics.error(where, fmt::format("variable {}: {}", name, content.error().message));
    return std::string{};
  }
  if (content->ends_with('\n')) content->pop_back();
  if (content->ends_with('\r')) content->pop_back();
  return *std::move(content);
}

void Variables::expand(PropertyValue& value, Diagnostics& diagnostics) {
  const std::string written = value.text;
  size_t at = written.find("${");
  if (at == std::string::npos) return;
  if (written.find('}') < at) {
    diagnostics.warning(
        value.where,
        "Fluent Bit would not expand this value: a \"}\" stands before its first \"${\"");
  }
  std::string out;
  size_t copied = 0;
  for (; at != std::string::npos; at = written.find("${", copied)) {
    const size_t end = written.find('}', at);
    if (end == std::string::npos) {
      diagnostics.warning(part_of(value.where, at, written.size() - at),
                          "this \"${\" has no \"}\": it is left as it is");
      break;
    }
    out.append(written, copied, at - copied);
    copied = end + 1;
    const std::string inside = written.substr(at + 2, end - at - 2);
    const size_t colon = inside.find(":-");
    const std::string name = inside.substr(0, colon);
    const SourceLocation where = part_of(value.where, at, end + 1 - at);
    std::optional<std::string> replacement;
    if (!name.empty()) replacement = lookup(name, where, diagnostics);
    if (colon != std::string::npos && (!replacement || replacement->empty())) {
      replacement = inside.substr(colon + 2);
    }
    if (!replacement) {
      diagnostics.warning(where,
                          fmt::format("variable {} is used but not set: it stands for nothing",
                                      name.empty() ? "${}" : name));
      replacement.emplace();
    }
    expanded_bytes_ += replacement->size();
    if (expanded_bytes_ > kExpandedBytesMax) {
      diagnostics.error(where, fmt::format("the values of variables exceed {} MiB in all",
                                           kExpandedBytesMax >> 20));
      return;
    }
    out += *replacement;
  }
  out.append(written, copied);
  value.text = std::move(out);
  value.expanded = copied > 0;
}

void Variables::expand(Section& section, Diagnostics& diagnostics) {
  for (Property& property : section.properties) {
    for (PropertyValue& value : property.values) expand(value, diagnostics);
  }
  for (Section& child : section.children) expand(child, diagnostics);
}

}  // namespace noroshi
