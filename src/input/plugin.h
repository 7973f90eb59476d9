// InputPlugin: how the program finds an input by its configured name and makes it from one [INPUT]
// section. app/plugins.cc holds the readable list of all of them; each plugin's own header declares
// one `extern const InputPlugin`. Nothing registers itself.
//
// make() runs on the main thread, at start-up and for `noroshi check`: it validates everything that
// can be validated without opening anything (Input::bind() tries addresses and ports).
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "input/input.h"

namespace noroshi {

class Diagnostics;       // config/diagnostics.h
class ListenerRegistry;  // net/listener_registry.h
class MetricsSource;     // metrics/metric_family.h
class ParserRegistry;    // parser/parser_registry.h
struct OptionInfo;       // config/option_table.h
struct Section;          // config/document.h

// What an input may use beside its own section. Everything referred to outlives the input.
struct InputContext {
  const ParserRegistry& parsers;
  // One per pipeline, passed to every input of it: several inputs on one port become one listener.
  // After all inputs are made and before the first bind(), call ListenerRegistry::resolve().
  ListenerRegistry& listeners;
  // The value of an environment variable; tests pass their own map.
  std::function<std::optional<std::string>(std::string_view name)> environment = {};
  // Alias, else plugin.N as Fluent Bit counts: the `[input:…]` of log lines, and the default tag of
  // inputs that make their own ("dummy.0").
  std::string instance_name = {};
  const Clock& clock = system_clock();
  // Where an input may keep what must survive a restart (tail's offsets): the place of the journal.
  // Empty while the journal is in memory: then nothing may be kept, or records would be missed.
  // Nothing is written there before start().
  std::filesystem::path state_directory = {};
  // All metrics of the router, for inputs that make records of them. Null in tests and in a check.
  const MetricsSource* metrics = nullptr;
};

struct MadeInput {
  std::unique_ptr<Input> input;
  // For the effective pipeline: "Forward protocol on 0.0.0.0:24224 and unix:/var/run/fluent.sock".
  std::string description = {};
  // Records may have other tags than the section says: the sender's, or made from a path.
  bool other_tags = false;
};

struct InputPlugin {
  std::string_view name;                  // "forward"
  std::vector<std::string_view> aliases;  // further accepted names
  std::string_view summary;               // one line for --help and docs
  std::vector<OptionInfo> (*options)();
  // nullopt exactly if at least one error was added to `diagnostics`; all problems of the section
  // are collected, not only the first.
  std::optional<MadeInput> (*make)(const Section& section, InputContext& context,
                                   Diagnostics& diagnostics);
};

}  // namespace noroshi
