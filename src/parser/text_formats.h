// The two formats that are scanned by hand. Part of Parser.
#pragma once

#include <string_view>

#include "parser/field_writer.h"

namespace noroshi {

// Labeled tab-separated values (ltsv.org): `label:value<TAB>label:value`, up to the first line end
// or the first byte that cannot be part of a label.
void scan_ltsv(std::string_view text, FieldWriter& fields);

// logfmt (brandur.org/logfmt): `key=value key="quoted \"value\"" bare_key`, up to the first line
// end. False if a bare key was found and none is allowed.
[[nodiscard]] bool scan_logfmt(std::string_view text, bool no_bare_keys, FieldWriter& fields);

}  // namespace noroshi
