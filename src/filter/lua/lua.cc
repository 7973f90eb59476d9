#include "filter/lua/lua.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "config/config_file.h"
#include "filter/chunk_rewriter.h"
#include "filter/lua/lua_script.h"

namespace noroshi {

const OptionTable<LuaOptions>& lua_option_table() {
  using O = LuaOptions;
  static const auto table =
      OptionTable<O>("lua", "Lets a Lua function decide what becomes of each record.")
          .option("script", &O::script,
                  "Path of the script; relative to here, else to the "
                  "configuration file.")
          .option("code", &O::code, "The script itself, in the place of a path.")
          .option("call", &O::call, "The function: it gets tag, timestamp, record. Required.")
          .option("type_int_key", &O::type_int_key,
                  "Keys, separated by blanks, whose numbers are written as "
                  "integers.")
          .option("type_array_key", &O::type_array_key,
                  "Keys, separated by blanks, whose tables are written as "
                  "arrays even if empty.")
          .option("time_as_table", &O::time_as_table, "off",
                  "The timestamp is a table with sec and nsec, which loses no "
                  "digits.")
          .option("enable_flb_null", &O::enable_flb_null, "off",
                  "null is flb_null in Lua, and stays; otherwise such fields "
                  "are gone.")
          .option("instruction_limit", &O::instruction_limit, "10000000",
                  "Instructions of one call at most; noroshi's own.")
          .between("10000", "10000000000")
          .option("memory_limit", &O::memory_limit, "16MiB",
                  "Memory of the script at most; noroshi's own.")
          .between("1MiB", "1GiB")
          .ignored("protected_mode", "the script cannot crash the router in any case");
  return table;
}

namespace {

// Of a script file.
constexpr size_t kScriptBytesMax = 4 << 20;

constexpr auto kReasons = std::to_array<std::string_view>(
    {"script", "instructions", "memory", "bad_answer", "suspended"});
constexpr size_t kSuspended = 4;

class LuaFilter final : public Filter {
 public:
  LuaFilter(std::unique_ptr<LuaScript> script, const FilterContext& context,
            std::vector<std::shared_ptr<FilterCounter>> errors)
      : script_(std::move(script)),
        component_("filter:" + context.instance_name),
        clock_(context.clock),
        errors_(std::move(errors)) {}

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics& metrics) override {
    rewriter_.begin(chunk);
    bool changed = false;
    for (const RecordEntry& entry : chunk.records) {
      if (!call(chunk, entry) || answer_.action == LuaAnswer::Action::Keep) {
        rewriter_.keep(entry);
        continue;
      }
      changed = true;
      if (answer_.action == LuaAnswer::Action::Drop || answer_.ends.empty()) {
        metrics.dropped.add();
        metrics.dropped_bytes.add(entry.metadata_size + entry.size);
        continue;
      }
      const std::string_view metadata =
          answer_.metadata.empty() ? chunk.view().metadata(entry) : answer_.metadata;
      size_t begin = 0;
      for (const size_t end : answer_.ends) {
        const std::string_view body = std::string_view(answer_.bodies).substr(begin, end - begin);
        rewriter_.begin_new_record(metadata).append(body);
        rewriter_.end_record(answer_.time);
        begin = end;
      }
      metrics.added.add(answer_.ends.size() - 1);
    }
    if (changed) rewriter_.finish();
  }

 private:
  // False: the script did not do its work, and the record stays.
  bool call(const Chunk& chunk, const RecordEntry& entry) {
    if (overruns_ >= kLuaOverrunsMax) {
      if (clock_.monotonic() < resume_) {
        errors_[kSuspended]->counter.add();
        return false;
      }
      overruns_ = 0;
    }
    const ChunkView view = chunk.view();
    const auto called =
        script_->call(chunk.tag, entry.time, view.metadata(entry), view.record(entry), answer_);
    if (called) {
      overruns_ = 0;
      return true;
    }
    errors_[static_cast<size_t>(called.error().failure)]->counter.add();
    if (called.error().failure == LuaFailure::Instructions && ++overruns_ == kLuaOverrunsMax) {
      resume_ = clock_.monotonic() + kLuaSuspension;
      log_error(component_,
                "the script reached instruction_limit {} times in a row: it is "
                "left alone for {}, "
                "records pass unchanged",
                kLuaOverrunsMax, duration_to_string(kLuaSuspension));
    }
    if (const uint64_t times = episode_.admit()) {
      log_error(component_, "{}: the record stays as it was ({} times)", called.error().message,
                times);
    }
    return false;
  }

  const std::unique_ptr<LuaScript> script_;
  const std::string component_;
  const Clock& clock_;
  const std::vector<std::shared_ptr<FilterCounter>> errors_;
  LuaAnswer answer_;
  ChunkRewriter rewriter_;
  LogEpisode episode_;
  int overruns_ = 0;  // in a row
  Monotonic resume_{};
};

std::vector<std::string> split_keys(std::string_view text) {
  std::vector<std::string> keys;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) keys.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return keys;
}

std::optional<MadeFilter> make(const Section& section, const FilterContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const LuaOptions options = lua_option_table().parse(section, diagnostics);
  const bool inline_code = !options.code.text.empty();
  if (inline_code == !options.script.text.empty()) {
    diagnostics.error(section.where, inline_code ? "filter lua takes script or code, not both"
                                                 : "filter lua needs script or code");
  }
  if (options.call.text.empty()) {
    diagnostics.error(section.where, "filter lua needs call: the name of the function");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  std::string source = options.code.text, name = "=code";
  if (!inline_code) {
    auto path = find_config_file(options.script.text, {"", context.config_directory});
    auto read = path ? read_config_file(*path, kScriptBytesMax)
                     : Result<std::string>(std::unexpected(path.error()));
    if (!read) {
      diagnostics.error(options.script.where, read.error().message);
      return std::nullopt;
    }
    source = *std::move(read);
    name = "@" + *path;
  }
  auto script =
      LuaScript::load(source, name,
                      {.call = options.call.text,
                       .integer_keys = split_keys(options.type_int_key),
                       .array_keys = split_keys(options.type_array_key),
                       .time_as_table = options.time_as_table,
                       .enable_flb_null = options.enable_flb_null,
                       .instructions_max = static_cast<uint64_t>(options.instruction_limit),
                       .memory_max = options.memory_limit.bytes});
  if (!script) {
    diagnostics.error(inline_code ? options.code.where : options.script.where,
                      script.error().message);
    return std::nullopt;
  }
  MadeFilter made;
  made.description = fmt::format("calls {} of {}", options.call.text,
                                 inline_code ? "the code given" : options.script.text);
  for (const std::string_view reason : kReasons) {
    auto counter = std::make_shared<FilterCounter>();
    counter->family = "noroshi_filter_lua_errors_total";
    counter->help =
        "Records a script did not handle and that stayed as they "
        "were, by reason.";
    counter->label = "reason";
    counter->value = reason;
    made.counters.push_back(std::move(counter));
  }
  made.filter = std::make_unique<LuaFilter>(*std::move(script), context, made.counters);
  return made;
}

}  // namespace

const FilterPlugin kLuaFilter = {
    .name = "lua",
    .summary = "Lets a Lua function decide what becomes of each record.",
    .options = [] { return lua_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
