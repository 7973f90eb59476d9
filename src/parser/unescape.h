// Resolving backslash escapes, for logfmt and the decoders of parsers.
#pragma once

#include <string>
#include <string_view>

namespace noroshi {

// C escapes only (\n \t \\ …); an unknown one loses its backslash. Appends to `out`.
void append_unescaped(std::string& out, std::string_view text);

// As above, and \uXXXX (surrogate pairs too), \UXXXXXXXX, \xXX and octal, written as UTF-8; a
// broken one becomes U+FFFD.
void append_unescaped_utf8(std::string& out, std::string_view text);

// A quoted literal of MySQL's query log without its quotes and escapes; other text as it is.
void append_mysql_unquoted(std::string& out, std::string_view text);

}  // namespace noroshi
