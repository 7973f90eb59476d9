// MessagePack as Fluent Bit prints it for people (lib/msgpack-c, msgpack_object_print):
// {"log"=>"…", "n"=>1.500000}. Not for machines: text is not escaped.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"

namespace noroshi {

// Appends one value that validate_msgpack() accepts.
void write_msgpack_text(std::string& out, std::string_view value);
// "1763866380.123456789", rounding towards the past so that the fraction is never negative.
void write_seconds(std::string& out, Timestamp time);

}  // namespace noroshi
