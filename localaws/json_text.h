// A JSON string, with its quotes, as a value.
#pragma once

#include <string>
#include <string_view>

#include "record/json_writer.h"

namespace noroshi::localaws {

[[nodiscard]] inline std::string json_text(std::string_view text) {
  std::string out;
  write_json_string(out, text);
  return out;
}

}  // namespace noroshi::localaws
