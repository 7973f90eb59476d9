#include "config/secret_options.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/secrets.h"
#include "config/nearest_name.h"
#include "config/values.h"

namespace noroshi {
namespace {

// A name that contains one of these (without '_', '-' and '.') names a secret.
constexpr std::array<std::string_view, 18> kSecretWords = {"passw",
                                                           "secret",
                                                           "token",
                                                           "apikey",
                                                           "sharedkey",
                                                           "licensekey",
                                                           "privatekey",
                                                           "accesskey",
                                                           "accountkey",
                                                           "authkey",
                                                           "cloudauth",
                                                           "credential",
                                                           "connectionstring",
                                                           "signingkey",
                                                           "authorization",
                                                           "cookie",
                                                           "securityusers",
                                                           "encryptionkey"};
// Unless it ends in one of these: where it is, or what it is called.
constexpr std::array<std::string_view, 11> kNamesOfPlaces = {
    "file", "path", "dir", "url", "uri", "endpoint", "id", "name", "arn", "host", "ttl"};
// A boolean of the forward plugins, and sizes.
constexpr std::array<std::string_view, 2> kNoSecrets = {"emptysharedkey", "tokenlimit"};
// What people misspell, as letters_of() gives it; shorter names are too near to ordinary ones.
constexpr std::array<std::string_view, 13> kOftenMisspelt = {
    "sharedkey",   "httppasswd",   "password",    "splunktoken", "licensekey",
    "bearertoken", "tlskeypasswd", "privatekey",  "accountkey",  "clientsecret",
    "accesstoken", "refreshtoken", "httppassword"};
// An edit distance above this is another word.
constexpr size_t kMisspeltMax = 2;

std::string letters_of(std::string_view name) {
  std::string letters = to_lower(name);
  std::erase_if(letters, [](char c) { return c == '_' || c == '-' || c == '.'; });
  return letters;
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

constexpr std::string_view kBlanks = " \t";

std::string_view without_first_word(std::string_view value) {
  const size_t end = std::min(value.find_first_of(kBlanks), value.size());
  return trim(value.substr(end));
}

// The words of a value that has several parts ("Bearer TOKEN", "user password"): each is a secret.
void remember_words(std::string_view value) {
  while (!value.empty()) {
    remember_secret(value.substr(0, value.find_first_of(kBlanks)));
    value = without_first_word(value);
  }
}

// "${NAME}": what a message about it has to show, and no secret.
bool only_variable(std::string_view value) {
  value = trim(value);
  if (!value.starts_with("${") || !value.ends_with('}')) return false;
  const std::string_view name = value.substr(2, value.size() - 3);
  return std::ranges::all_of(name, is_name_character);
}

void remember(const Section& section) {
  for (const Property& property : section.properties) {
    const bool secret = is_secret_name(property.name);
    const bool pairs = letters_of(property.name) == "securityusers";
    const bool header = property.name.find("header") != std::string::npos;
    for (const PropertyValue& value : property.values) {
      if (pairs) {
        remember_words(without_first_word(value.text));
      } else if (secret) {
        remember_secret(value.text);
      } else if (header) {
        const size_t end = value.text.find_first_of(" \t:=");
        if (is_secret_name(value.text.substr(0, end)))
          remember_words(without_first_word(value.text));
      }
    }
  }
  for (const Section& child : section.children) remember(child);
}

}  // namespace

bool is_secret_name(std::string_view name) {
  const std::string letters = letters_of(name);
  if (std::ranges::find(kNoSecrets, letters) != kNoSecrets.end()) return false;
  for (const std::string_view ending : kNamesOfPlaces) {
    if (letters.ends_with(ending)) return false;
  }
  for (const std::string_view word : kSecretWords) {
    if (letters.find(word) != std::string::npos) return true;
  }
  return std::ranges::any_of(kOftenMisspelt, [&](std::string_view known) {
    // At each start every name of the environment comes here: most are told by their length.
    if (letters.size() + kMisspeltMax < known.size() ||
        letters.size() > known.size() + kMisspeltMax)
      return false;
    return edit_distance(letters, known) <= kMisspeltMax;
  });
}

std::optional<size_t> secret_in_line(std::string_view line) {
  for (size_t at = 0; at < line.size();) {
    if (!is_name_character(line[at])) {
      ++at;
      continue;
    }
    const size_t begin = at;
    while (at < line.size() && is_name_character(line[at])) ++at;
    size_t value = line.find_first_not_of("\"' \t", at);
    if (value == std::string_view::npos) return std::nullopt;
    if (line[value] == ':' || line[value] == '=') {
      value = line.find_first_not_of(kBlanks, value + 1);
      if (value == std::string_view::npos) return std::nullopt;
    } else if (value == at) {
      continue;
    }
    if (is_secret_name(line.substr(begin, at - begin)) && !only_variable(line.substr(value)))
      return value;
  }
  return std::nullopt;
}

void remember_secrets(const Document& document) {
  for (const Section& section : document.sections) remember(section);
  for (const auto& [name, value] : document.environment) {
    if (is_secret_name(name)) remember_secret(value);
  }
}

void remember_secrets(const char* const* environment) {
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view variable = *environment;
    const size_t equals = variable.find('=');
    if (equals == std::string_view::npos || !is_secret_name(variable.substr(0, equals))) continue;
    remember_secret(variable.substr(equals + 1));
  }
}

}  // namespace noroshi
