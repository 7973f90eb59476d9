#include "aws/profile.h"

#include <tuple>

namespace noroshi {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string file_path(const AwsEnvironment& environment, const char* variable, const char* usual) {
  std::string path = environment.get(variable);
  if (path.empty()) path = usual;
  if (path.starts_with("~/")) path = environment.get("HOME") + path.substr(1);
  return path;
}

// "[profile  x]" → "profile x"; in the credentials file, and for "default", the word is absent.
std::string section_name(std::string_view header, bool is_config) {
  header = trim(header);
  const size_t blank = header.find_first_of(" \t");
  if (is_config && blank != std::string_view::npos) {
    std::string_view name = trim(header.substr(blank));
    if (name.size() >= 2 && (name.front() == '"' || name.front() == '\'') &&
        name.back() == name.front()) {
      name = name.substr(1, name.size() - 2);
    }
    return std::string(header.substr(0, blank)) + " " + std::string(name);
  }
  if (is_config && header != "default") return std::string(header);
  return "profile " + std::string(header);
}

}  // namespace

std::string AwsProfile::get(std::string_view key) const {
  const auto found = settings_.find(key);
  return found == settings_.end() ? std::string() : found->second;
}

AwsProfiles AwsProfiles::load(const AwsEnvironment& environment) {
  AwsProfiles profiles;
  profiles.from_environment_ = environment.get("AWS_PROFILE");
  for (const auto& [variable, usual, is_config] :
       {std::tuple{"AWS_CONFIG_FILE", "~/.aws/config", true},
        std::tuple{"AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", false}}) {
    const Result<std::string> text = environment.read_file(file_path(environment, variable, usual));
    if (text && text->size() <= kFileBytesMax) profiles.read(*text, is_config);
  }
  return profiles;
}

void AwsProfiles::read(std::string_view text, bool is_config) {
  AwsProfile::Settings* section = nullptr;
  std::string parent;  // of an indented block
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const std::string_view content = trim(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') continue;
    if (content.front() == '[') {
      const size_t close = content.find(']');
      section = close == std::string_view::npos
                    ? nullptr
                    : &sections_[section_name(content.substr(1, close - 1), is_config)];
      parent.clear();
      continue;
    }
    const size_t equals = content.find('=');
    if (section == nullptr || equals == std::string_view::npos) continue;
    const std::string key = to_lower(trim(content.substr(0, equals)));
    const std::string value(trim(content.substr(equals + 1)));
    const bool indented = line.front() == ' ' || line.front() == '\t';
    if (indented && !parent.empty()) {
      (*section)[parent + "." + key] = value;
    } else {
      (*section)[key] = value;
      parent = value.empty() ? key : std::string();
    }
  }
}

AwsProfile AwsProfiles::chosen(std::string_view option) const {
  if (!option.empty()) return profile(option);
  return profile(from_environment_.empty() ? "default" : from_environment_);
}

AwsProfile AwsProfiles::profile(std::string_view name) const {
  const auto found = sections_.find("profile " + std::string(name));
  if (found == sections_.end()) return {std::string(name), {}, false};
  return {std::string(name), found->second, true};
}

std::string AwsProfiles::endpoint_url(const AwsProfile& profile,
                                      std::string_view service_id) const {
  if (const std::string services = profile.get("services"); !services.empty()) {
    const auto block = sections_.find("services " + services);
    if (block != sections_.end()) {
      const auto url = block->second.find(to_lower(service_id) + ".endpoint_url");
      if (url != block->second.end()) return url->second;
    }
  }
  return profile.get("endpoint_url");
}

}  // namespace noroshi
