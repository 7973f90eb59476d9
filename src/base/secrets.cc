#include "base/secrets.h"

#include <algorithm>
#include <deque>

#include "base/mutex.h"

namespace noroshi {
namespace {

Mutex mutex;
// Longest first: one that contains another is masked whole.
std::deque<std::string> by_length GUARDED_BY(mutex);
std::deque<std::string> by_age GUARDED_BY(mutex);

void remember_one(std::string_view value) REQUIRES(mutex) {
  if (value.size() < kSecretBytesMin) return;
  if (std::find(by_age.begin(), by_age.end(), value) != by_age.end()) return;
  if (by_age.size() == kSecretsMax) {
    by_length.erase(std::find(by_length.begin(), by_length.end(), by_age.front()));
    by_age.pop_front();
  }
  by_age.emplace_back(value);
  const auto shorter = std::find_if(by_length.begin(), by_length.end(),
                                    [&](const auto& other) { return other.size() < value.size(); });
  by_length.insert(shorter, std::string(value));
}

// "\"" and "\\" as JSON writes them; other escapes do not occur in secrets people type.
std::string json_spelling(std::string_view value) {
  std::string spelled;
  for (const char c : value) {
    if (c == '"' || c == '\\') spelled += '\\';
    spelled += c;
  }
  return spelled;
}

void mask_userinfo(std::string& text) {
  constexpr std::string_view kScheme = "://";
  for (size_t at = text.find(kScheme); at != std::string::npos; at = text.find(kScheme, at)) {
    at += kScheme.size();
    // The authority ends here (RFC 3986, 3.2); an unescaped '@' in a password is a common mistake.
    const size_t end = std::min(text.find_first_of("/?# \t\r\n\"'", at), text.size());
    const size_t sign = text.rfind('@', end);
    if (sign == std::string::npos || sign < at || sign >= end) continue;
    text.replace(at, sign - at, kSecretMask);
  }
}

}  // namespace

void remember_secret(std::string_view value) {
  const MutexLock lock(mutex);
  remember_one(value);
  remember_one(json_spelling(value));
  if (value.find('\n') == std::string_view::npos) return;
  for (size_t begin = 0; begin < value.size();) {
    const size_t end = std::min(value.find('\n', begin), value.size());
    std::string_view line = value.substr(begin, end - begin);
    const size_t indentation = std::min(line.find_first_not_of(" \t"), line.size());
    line.remove_prefix(indentation);
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    remember_one(line);
    begin = end + 1;
  }
}

std::string without_secrets(std::string text) {
  {
    const MutexLock lock(mutex);
    for (const std::string& secret : by_length) {
      for (size_t at = text.find(secret); at != std::string::npos;
           at = text.find(secret, at + kSecretMask.size())) {
        text.replace(at, secret.size(), kSecretMask);
      }
    }
  }
  mask_userinfo(text);
  return text;
}

}  // namespace noroshi
