// LuaScript: one Lua state with the user's function in it. Every entry into Lua
// is protected, and bounded in instructions and in memory. Not thread-safe. All
// of Lua's C interface is behind it.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace noroshi {

struct LuaSettings {
  std::string call = {};  // the function
  std::vector<std::string> integer_keys = {}, array_keys = {};
  bool time_as_table = false;
  bool enable_flb_null = false;
  uint64_t instructions_max = 10'000'000;  // of one call
  uint64_t memory_max = 16 << 20;          // bytes of the whole state
};

// What the function answered for one record.
struct LuaAnswer {
  enum class Action { Keep, Drop, Replace } action = Action::Keep;
  Timestamp time = {};
  // MessagePack maps, and where each ends in `bodies`.
  std::string bodies = {};
  std::vector<size_t> ends = {};
  std::string metadata = {};  // a MessagePack map; empty: as it was
};

enum class LuaFailure { Script, Instructions, Memory, BadAnswer };
struct LuaError {
  LuaFailure failure = LuaFailure::Script;
  std::string message = {};
};

class LuaScript {
 public:
  // Compiles and runs `source` (named `name` in messages), and finds the
  // function in it. InvalidArgument with Lua's words otherwise.
  [[nodiscard]] static Result<std::unique_ptr<LuaScript>> load(std::string_view source,
                                                               const std::string& name,
                                                               LuaSettings settings);
  ~LuaScript();

  // Calls function(tag, time, record). `answer` keeps its memory from call to
  // call.
  [[nodiscard]] std::expected<void, LuaError> call(std::string_view tag, Timestamp time,
                                                   std::string_view metadata,
                                                   std::string_view record, LuaAnswer& answer);
  // Bytes the state holds now.
  [[nodiscard]] uint64_t memory() const;

 private:
  struct Impl;
  explicit LuaScript(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace noroshi
