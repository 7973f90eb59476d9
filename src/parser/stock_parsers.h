// The parsers that Fluent Bit ships in conf/parsers.conf (and aws-for-fluent-bit in
// /fluent-bit/parsers/parsers.conf), built in, so that `Parser json` works without a parsers file.
#pragma once

#include <vector>

#include "parser/parser.h"

namespace noroshi {

[[nodiscard]] std::vector<ParserOptions> stock_parsers();

}  // namespace noroshi
