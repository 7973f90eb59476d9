// Secrets the process knows: no text for people contains one. The configuration's secret options
// are remembered when they are read (config/secret_options.h); the log, diagnostics and the admin
// API pass what they print through without_secrets().
//
// This is the second line: where a value is known to be of a secret option it is not printed in the
// first place. Thread-safe. A call costs one search of the text for each secret.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace noroshi {

inline constexpr std::string_view kSecretMask = "********";
// Shorter values are not looked for: they would hide ordinary words. As long as the shortest
// password NIST SP 800-63B allows.
inline constexpr size_t kSecretBytesMin = 8;
// Beyond this many the oldest are forgotten (a reload may bring new ones).
inline constexpr size_t kSecretsMax = 1024;

// From now on `value`, each of its lines, and its JSON spelling are never printed.
void remember_secret(std::string_view value);
// `text` with secrets, and the userinfo of URLs ("https://user:password@host"), masked.
[[nodiscard]] std::string without_secrets(std::string text);

}  // namespace noroshi
