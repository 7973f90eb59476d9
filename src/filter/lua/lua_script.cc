// Lua reports errors by unwinding, so everything that can fail in Lua (nearly
// all of its functions allocate) runs inside one protected C function,
// protected_call(), which has nothing in its frames that needs a destructor.
//
// Bounds. The JIT compiler is switched off: compiled loops call no hook, so an
// endless one could not be stopped. In the interpreter a hook counts
// instructions. Memory goes through an allocator that refuses what exceeds the
// limit, which Lua reports as "not enough memory". What stays unbounded is the
// time of one call of a C function of Lua's own libraries (string.find with a
// pathological pattern, os.execute).
#include "filter/lua/lua_script.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <luajit-2.1/lua.hpp>

#include <fmt/format.h>

#include "base/check.h"
#include "record/chunk.h"
#include "record/map_pairs.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

constexpr int kHookInstructions = 10'000;  // between two looks at the count
constexpr double kNanosecondsPerSecond = 1e9;
// Beyond 2^53 a double, which is all Lua has, does not hold every integer.
constexpr double kIntegerMax = 0x1p63;

char kScriptKey;  // its address: this state's Impl in Lua's registry
char kArrayKey, kMapKey;

}  // namespace

struct LuaScript::Impl {
  LuaSettings settings;
  lua_State* lua = nullptr;
  uint64_t used = 0;
  uint64_t instructions = 0;
  bool out_of_instructions = false, out_of_memory = false;
  int arguments = 3;

  // Of the call under way.
  std::string_view tag, metadata, record;
  Timestamp time;
  LuaAnswer* answer = nullptr;
  const char* problem = nullptr;  // of the answer; a literal

  // Of the maps being written, innermost last; positions are in the map's content.
  struct WrittenPair {
    size_t begin = 0, key_end = 0, key_size = 0, end = 0;
  };
  std::vector<WrittenPair> pairs;
  std::string unsorted;

  ~Impl() {
    if (lua != nullptr) lua_close(lua);
  }

  static void* allocate(void* self, void* block, size_t old_size, size_t new_size) {
    auto& script = *static_cast<Impl*>(self);
    if (block == nullptr) old_size = 0;
    if (new_size == 0) {
      script.used -= old_size;
      std::free(block);
      return nullptr;
    }
    if (new_size > old_size && script.used + (new_size - old_size) > script.settings.memory_max) {
      script.out_of_memory = true;
      return nullptr;
    }
    void* const made = std::realloc(block, new_size);
    if (made != nullptr) script.used = script.used + new_size - old_size;
    return made;
  }

  static Impl& of(lua_State* lua) {
    lua_pushlightuserdata(lua, &kScriptKey);
    lua_rawget(lua, LUA_REGISTRYINDEX);
    auto* const script = static_cast<Impl*>(lua_touserdata(lua, -1));
    lua_pop(lua, 1);
    return *script;
  }

  static void on_count(lua_State* lua, lua_Debug*) {
    Impl& script = of(lua);
    script.instructions += kHookInstructions;
    if (script.instructions < script.settings.instructions_max) return;
    script.out_of_instructions = true;
    luaL_error(lua, "more instructions than instruction_limit allows");
  }

  void begin() {
    instructions = 0;
    out_of_instructions = out_of_memory = false;
    problem = nullptr;
    pairs.clear();
  }

  // -- from MessagePack to Lua
  // ---------------------------------------------------------------------

  void push_null() { lua_getglobal(lua, "flb_null"); }

  void set_type(char& key) {
    lua_pushlightuserdata(lua, &key);
    lua_rawget(lua, LUA_REGISTRYINDEX);
    lua_setmetatable(lua, -2);
  }

  // Depth is bounded by MsgpackReader: the record is well-formed.
  void push(MsgpackReader& reader, uint32_t depth) {
    luaL_checkstack(lua, 4, "nested too deeply");
    const auto token = reader.next();
    if (!token || depth > kMsgpackDepthMax) return lua_pushnil(lua);
    switch (token->type) {
      case MsgpackType::Nil:
        return push_null();
      case MsgpackType::Bool:
        return lua_pushboolean(lua, token->boolean ? 1 : 0);
      case MsgpackType::UnsignedInteger:
        return lua_pushnumber(lua, static_cast<double>(token->unsigned_integer));
      case MsgpackType::NegativeInteger:
        return lua_pushnumber(lua, static_cast<double>(token->negative_integer));
      case MsgpackType::Float:
        return lua_pushnumber(lua, token->number);
      case MsgpackType::String:
      case MsgpackType::Binary:
      case MsgpackType::Extension:
        lua_pushlstring(lua, token->bytes.data(), token->bytes.size());
        return;
      case MsgpackType::Array:
        lua_createtable(lua, static_cast<int>(std::min(token->count, 1024u)), 0);
        for (uint32_t i = 0; i < token->count; ++i) {
          push(reader, depth + 1);
          lua_rawseti(lua, -2, static_cast<int>(i + 1));
        }
        return set_type(kArrayKey);
      case MsgpackType::Map:
        lua_createtable(lua, 0, static_cast<int>(std::min(token->count, 1024u)));
        for (uint32_t i = 0; i < token->count; ++i) {
          push(reader, depth + 1);
          push(reader, depth + 1);
          // nil and NaN are no keys in Lua.
          if (lua_isnil(lua, -2) || (lua_isnumber(lua, -2) && std::isnan(lua_tonumber(lua, -2))))
            lua_pop(lua, 2);
          else
            lua_rawset(lua, -3);
        }
        return set_type(kMapKey);
    }
  }

  // -- from Lua to MessagePack
  // ---------------------------------------------------------------------

  [[nodiscard]] bool has_type(int index, char& key) {
    if (lua_getmetatable(lua, index) == 0) return false;
    lua_pushlightuserdata(lua, &key);
    lua_rawget(lua, LUA_REGISTRYINDEX);
    const bool same = lua_rawequal(lua, -1, -2) != 0;
    lua_pop(lua, 2);
    return same;
  }

  // A table that came as an array, or whose keys are 1 … n without many gaps.
  [[nodiscard]] bool is_array(int index, uint32_t& size) {
    size = static_cast<uint32_t>(lua_objlen(lua, index));
    if (has_type(index, kArrayKey)) return true;
    if (has_type(index, kMapKey)) return false;
    double largest = 0;
    uint32_t count = 0;
    lua_pushnil(lua);
    while (lua_next(lua, index) != 0) {
      lua_pop(lua, 1);
      const double key = lua_type(lua, -1) == LUA_TNUMBER ? lua_tonumber(lua, -1) : 0;
      if (key < 1 || key != std::floor(key)) {
        lua_pop(lua, 1);
        return false;
      }
      largest = std::max(largest, key);
      ++count;
    }
    if (count == 0 || largest > 2.0 * count + 8) return false;
    size = static_cast<uint32_t>(largest);
    return true;
  }

  void fail(const char* what) {
    problem = what;
    luaL_error(lua, "%s", what);
  }

  static bool contains(const std::vector<std::string>& keys, std::string_view key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  }

  // The value on top of the stack, which stays.
  void write(std::string& out, uint32_t depth, std::string_view key = {}) {
    if (depth > kMsgpackDepthMax) fail("the record is nested too deeply, or contains itself");
    if (out.size() > kChunkBodyBytesMax) fail("the record is too large");
    luaL_checkstack(lua, 6, "nested too deeply");
    MsgpackWriter writer(out);
    switch (lua_type(lua, -1)) {
      case LUA_TSTRING: {
        size_t size = 0;
        const char* const bytes = lua_tolstring(lua, -1, &size);
        return writer.string({bytes, size});
      }
      case LUA_TNUMBER: {
        const double number = lua_tonumber(lua, -1);
        const bool whole = number == std::floor(number) || contains(settings.integer_keys, key);
        if (whole && number >= -kIntegerMax && number < kIntegerMax)
          return writer.integer(static_cast<int64_t>(number));
        if (whole && number >= 0 && number < 2 * kIntegerMax)
          return writer.unsigned_integer(static_cast<uint64_t>(number));
        return writer.number(number);
      }
      case LUA_TBOOLEAN:
        return writer.boolean(lua_toboolean(lua, -1) != 0);
      case LUA_TTABLE: {
        const int table = lua_gettop(lua);
        uint32_t size = 0;
        if (is_array(table, size) || contains(settings.array_keys, key)) {
          writer.array_header(size);
          for (uint32_t i = 1; i <= size; ++i) {
            lua_rawgeti(lua, table, static_cast<int>(i));
            write(out, depth + 1);
            lua_pop(lua, 1);
          }
          return;
        }
        return write_map(out, table, depth);
      }
      default:  // nil, flb_null, and what no record can hold: functions, threads
        return writer.nil();
    }
  }

  // In the order of the keys: a Lua table has none of its own, not even twice the same.
  void write_map(std::string& out, int table, uint32_t depth) {
    const size_t map = MsgpackWriter(out).begin_map();
    const size_t content = out.size(), first = pairs.size();
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
      size_t size = 0;
      // lua_tolstring() would turn a number that is a key into a text, and lose lua_next().
      const char* const text =
          lua_type(lua, -2) == LUA_TSTRING ? lua_tolstring(lua, -2, &size) : "";
      WrittenPair pair{.begin = out.size() - content};
      lua_pushvalue(lua, -2);
      write(out, depth + 1);
      lua_pop(lua, 1);
      pair.key_end = out.size() - content;
      pair.key_size = size == 0 ? pair.key_end - pair.begin : size;
      write(out, depth + 1, {text, size});
      lua_pop(lua, 1);
      pair.end = out.size() - content;
      pairs.push_back(pair);
    }
    const auto count = static_cast<uint32_t>(pairs.size() - first);
    sort_pairs(out, content, first);
    pairs.resize(first);
    MsgpackWriter(out).end_map(map, count);
  }

  void sort_pairs(std::string& out, size_t content, size_t first) {
    const auto begin = pairs.begin() + static_cast<ptrdiff_t>(first);
    const auto key = [&](const WrittenPair& pair) {
      return std::string_view(out).substr(content + pair.key_end - pair.key_size, pair.key_size);
    };
    const auto by_key = [&](const WrittenPair& a, const WrittenPair& b) { return key(a) < key(b); };
    if (std::is_sorted(begin, pairs.end(), by_key)) return;
    std::sort(begin, pairs.end(), by_key);
    unsorted.assign(out, content);
    out.resize(content);
    for (auto pair = begin; pair != pairs.end(); ++pair) {
      out.append(unsorted, pair->begin, pair->end - pair->begin);
    }
  }

  // -- one call
  // ------------------------------------------------------------------------------------

  // Whole seconds and the nanoseconds beyond them, never negative.
  [[nodiscard]] std::pair<double, double> split_time() const {
    const int64_t total = time.time_since_epoch().count();
    int64_t seconds = total / 1'000'000'000, rest = total % 1'000'000'000;
    if (rest < 0) --seconds, rest += 1'000'000'000;
    return {static_cast<double>(seconds), static_cast<double>(rest)};
  }

  void push_time() {
    const auto [seconds, rest] = split_time();
    if (!settings.time_as_table) {
      return lua_pushnumber(lua, seconds + rest / kNanosecondsPerSecond);
    }
    lua_createtable(lua, 0, 2);
    lua_pushnumber(lua, seconds);
    lua_setfield(lua, -2, "sec");
    lua_pushnumber(lua, rest);
    lua_setfield(lua, -2, "nsec");
  }

  // The time at `index`; the record's own if the script gave back what it got,
  // which may have fewer digits.
  Timestamp returned_time(int index) {
    double seconds = 0, rest = 0;
    if (lua_istable(lua, index)) {
      lua_getfield(lua, index, "sec");
      lua_getfield(lua, index, "nsec");
      seconds = lua_tonumber(lua, -2), rest = lua_tonumber(lua, -1);
      lua_pop(lua, 2);
    } else if (lua_isnumber(lua, index)) {
      seconds = lua_tonumber(lua, index);
      const auto [own_seconds, own_rest] = split_time();
      if (seconds == own_seconds + own_rest / kNanosecondsPerSecond) return time;
    } else {
      fail(
          "the timestamp it returned is neither a number nor a table with sec "
          "and nsec");
    }
    const double total = seconds * kNanosecondsPerSecond + rest;
    if (!(total > -kIntegerMax && total < kIntegerMax)) fail("the timestamp is out of range");
    if (std::abs(seconds) < kIntegerMax / kNanosecondsPerSecond - 2 &&
        std::abs(rest) < kIntegerMax) {
      const double whole = std::floor(seconds);
      const double fraction = std::round((seconds - whole) * kNanosecondsPerSecond);
      return Timestamp(Nanoseconds(static_cast<int64_t>(whole) * 1'000'000'000 +
                                   static_cast<int64_t>(fraction) + static_cast<int64_t>(rest)));
    }
    return time;
  }

  void append_body(int table) {
    lua_pushvalue(lua, table);
    write_map(answer->bodies, lua_gettop(lua), 1);
    lua_pop(lua, 1);
    answer->ends.push_back(answer->bodies.size());
  }

  // code, timestamp, record; with five arguments code, timestamp, metadata,
  // record.
  void take_answer(int first) {
    const double code = lua_tonumber(lua, first);
    if (lua_isnumber(lua, first) == 0 || (code != -1 && code != 0 && code != 1 && code != 2)) {
      fail("its first answer, the code, is none of -1, 0, 1 and 2");
    }
    if (code == 0) return;
    if (code == -1) {
      answer->action = LuaAnswer::Action::Drop;
      return;
    }
    answer->time = code == 1 ? returned_time(first + 1) : time;
    if (arguments == 5 && lua_istable(lua, first + 2)) {
      lua_pushvalue(lua, first + 2);
      write_map(answer->metadata, lua_gettop(lua), 1);
      lua_pop(lua, 1);
    }
    const int body = lua_gettop(lua);
    if (!lua_istable(lua, body)) fail("the record it returned is no table");
    uint32_t size = 0;
    if (!is_array(body, size)) {
      append_body(body);
    } else {
      for (uint32_t i = 1; i <= size; ++i) {
        lua_rawgeti(lua, body, static_cast<int>(i));
        if (!lua_istable(lua, -1)) fail("one of the records it returned is no table");
        append_body(lua_gettop(lua));
        lua_pop(lua, 1);
      }
    }
    answer->action = LuaAnswer::Action::Replace;
  }

  static int protected_call(lua_State* state) {
    Impl& script = of(state);
    lua_State* const lua = state;
    luaL_checkstack(lua, 16, "no stack");
    lua_getglobal(lua, script.settings.call.c_str());
    lua_pushlstring(lua, script.tag.data(), script.tag.size());
    script.push_time();
    if (script.arguments == 5) {
      lua_newtable(lua);  // Fluent Bit's group attributes: there are none here
      if (script.metadata.empty()) {
        lua_newtable(lua);
      } else {
        MsgpackReader reader(script.metadata);
        script.push(reader, 0);
      }
    }
    MsgpackReader reader(script.record);
    script.push(reader, 0);
    const int function = lua_gettop(lua) - script.arguments;
    lua_call(lua, script.arguments, script.arguments == 5 ? 4 : 3);
    script.take_answer(function);
    return 0;
  }

  // Everything that happens once, protected for the same reason.
  static int protected_start(lua_State* lua) {
    Impl& script = *static_cast<Impl*>(lua_touserdata(lua, 1));
    luaL_openlibs(lua);
    lua_pushlightuserdata(lua, &kScriptKey);
    lua_pushlightuserdata(lua, &script);
    lua_rawset(lua, LUA_REGISTRYINDEX);
    for (char* const key : {&kArrayKey, &kMapKey}) {
      lua_pushlightuserdata(lua, key);
      lua_newtable(lua);
      lua_rawset(lua, LUA_REGISTRYINDEX);
    }
    if (script.settings.enable_flb_null) {
      lua_pushlightuserdata(lua, nullptr);
      lua_setglobal(lua, "flb_null");
    }
    lua_newtable(lua);
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
      const char* const equals = std::strchr(*variable, '=');
      if (equals == nullptr) continue;
      lua_pushlstring(lua, *variable, static_cast<size_t>(equals - *variable));
      lua_pushstring(lua, equals + 1);
      lua_rawset(lua, -3);
    }
    lua_setglobal(lua, "FLB_ENV");
    return 0;
  }

  // The user's source, run once, then its function's number of parameters
  // (Lua 5.1 tells it only to Lua).
  static int protected_load(lua_State* lua) {
    Impl& script = of(lua);
    if (luaL_loadbuffer(lua, script.record.data(), script.record.size(), script.tag.data()) != 0) {
      return lua_error(lua);
    }
    lua_call(lua, 0, 0);
    lua_getglobal(lua, script.settings.call.c_str());
    if (!lua_isfunction(lua, -1)) {
      return luaL_error(lua, "there is no function \"%s\"", script.settings.call.c_str());
    }
    const int function = lua_gettop(lua);
    lua_getglobal(lua, "debug");
    if (!lua_istable(lua, -1)) return 0;
    lua_getfield(lua, -1, "getinfo");
    if (!lua_isfunction(lua, -1)) return 0;
    lua_pushvalue(lua, function);
    lua_pushliteral(lua, "u");
    lua_call(lua, 2, 1);
    lua_getfield(lua, -1, "nparams");
    if (lua_tonumber(lua, -1) >= 5) script.arguments = 5;
    return 0;
  }

  [[nodiscard]] LuaError error_of(int status) {
    LuaError error;
    const char* const text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : nullptr;
    error.message = text != nullptr ? text : "an error that is no text";
    lua_settop(lua, 0);
    if (out_of_instructions) {
      error.failure = LuaFailure::Instructions;
    } else if (status == LUA_ERRMEM || out_of_memory) {
      error.failure = LuaFailure::Memory;
      lua_gc(lua, LUA_GCCOLLECT, 0);
    } else if (problem != nullptr) {
      error.failure = LuaFailure::BadAnswer;
      error.message = problem;
    }
    return error;
  }
};

LuaScript::LuaScript(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LuaScript::~LuaScript() = default;

uint64_t LuaScript::memory() const { return impl_->used; }

Result<std::unique_ptr<LuaScript>> LuaScript::load(std::string_view source, const std::string& name,
                                                   LuaSettings settings) {
  auto impl = std::make_unique<Impl>();
  impl->settings = std::move(settings);
  impl->lua = lua_newstate(&Impl::allocate, impl.get());
  if (impl->lua == nullptr) {
    return noroshi::fail(ErrorCode::Exhausted, "Lua cannot start within memory_limit");
  }
  impl->begin();
  int status = lua_cpcall(impl->lua, &Impl::protected_start, impl.get());
  if (status == 0) {
    // After the libraries: opening them switches the compiler on.
    luaJIT_setmode(impl->lua, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_sethook(impl->lua, &Impl::on_count, LUA_MASKCOUNT, kHookInstructions);
    impl->record = source;
    impl->tag = name.c_str();
    status = lua_cpcall(impl->lua, &Impl::protected_load, nullptr);
  }
  if (status != 0) {
    return noroshi::fail(ErrorCode::InvalidArgument, impl->error_of(status).message);
  }
  lua_settop(impl->lua, 0);
  return std::unique_ptr<LuaScript>(new LuaScript(std::move(impl)));
}

std::expected<void, LuaError> LuaScript::call(std::string_view tag, Timestamp time,
                                              std::string_view metadata, std::string_view record,
                                              LuaAnswer& answer) {
  answer.action = LuaAnswer::Action::Keep;
  answer.bodies.clear();
  answer.ends.clear();
  answer.metadata.clear();
  impl_->tag = tag, impl_->time = time, impl_->metadata = metadata, impl_->record = record;
  impl_->answer = &answer;
  impl_->begin();
  const int status = lua_cpcall(impl_->lua, &Impl::protected_call, nullptr);
  if (status == 0) {
    lua_settop(impl_->lua, 0);
    return {};
  }
  answer.action = LuaAnswer::Action::Keep;
  return std::unexpected(impl_->error_of(status));
}

}  // namespace noroshi
