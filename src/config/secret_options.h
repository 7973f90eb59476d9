// Which options are secrets, by name: one list for all plugins, so that an option no plugin of ours
// has (a configuration written for another output of Fluent Bit) is not printed either.
#pragma once

#include <optional>
#include <string_view>

#include "config/document.h"

namespace noroshi {

// True for "shared_key", "http_passwd", "tls.key_passwd", "splunk_token", "DB_PASSWORD" (a
// variable's name), "Authorization" (a header's) …, and for what looks like a typing mistake of
// one. Any case. False for names of files, addresses and identifiers ("token_file").
[[nodiscard]] bool is_secret_name(std::string_view name);

// Where in a line of a configuration (classic, YAML or of the command line) the value of a secret
// begins; it is taken to go on to the line's end.
[[nodiscard]] std::optional<size_t> secret_in_line(std::string_view line);

// Every value of a secret option, header and variable in `document`: never printed from now on.
void remember_secrets(const Document& document);
// The same for variables of the process environment ("NAME=value", as in environ; null at the end).
void remember_secrets(const char* const* environment);

}  // namespace noroshi
