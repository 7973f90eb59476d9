// Filter `lua`: a function of the user decides what becomes of each record.
// LuaJIT's interpreter, linked statically; a configuration without such a
// filter makes no Lua state.
#pragma once

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

// Calls in a row that reach the instruction limit before the script is left
// alone for a while.
inline constexpr int kLuaOverrunsMax = 3;
inline constexpr Nanoseconds kLuaSuspension = Seconds(60);

struct LuaOptions {
  LocatedText script = {};
  LocatedText code = {};
  LocatedText call = {};
  std::string type_int_key = {};
  std::string type_array_key = {};
  bool time_as_table = false;
  bool enable_flb_null = false;
  int64_t instruction_limit = 10'000'000;
  ByteSize memory_limit = {};
};

const OptionTable<LuaOptions>& lua_option_table();
extern const FilterPlugin kLuaFilter;

}  // namespace noroshi
