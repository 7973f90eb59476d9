// The verbs of the command line; main.cc reads arguments and calls one. Each returns the exit
// status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/document.h"

namespace noroshi {

// What `noroshi -c FILE` and `noroshi check -c FILE` share; the flags are Fluent Bit's.
struct RunArguments {
  std::string config = {};
  std::vector<std::string> parsers_files = {};   // -R
  std::string working_directory = {};            // -w
  std::string log_file = {};                     // -l
  std::optional<std::string> flush = {};         // -f
  std::optional<std::string> storage_path = {};  // -b
  bool http = false;                             // -H
  std::optional<std::string> http_port = {};     // -P
  std::optional<std::string> http_listen = {};   // -L
  bool hot_reload = false;                       // -Y
  bool daemon = false;                           // -d
  int verbosity = 0;                             // -v adds one, -q sets -1
  std::vector<Section> sections = {};            // -i, -F, -o with their -p, -m, -t
  std::vector<std::string> warnings = {};        // flags without an effect, to be reported
};

// Runs the pipeline until SIGTERM, SIGINT or SIGQUIT. 0: all was delivered, or a journal on disk
// keeps the rest (the last line says what and where); 1: the configuration cannot be read or names
// an unknown plugin, or records are lost with this process (its journal was in memory); 255: a
// plugin cannot be made (its options, an address in use), as Fluent Bit.
[[nodiscard]] int run(const RunArguments& arguments);

// Builds everything, keeps nothing, prints every problem and the effective pipeline. 0 or 1.
[[nodiscard]] int check(const RunArguments& arguments);

// The journal's tools, read-only: they work beside a running router. `path`: storage.path, a
// directory in it, or one file that a router wrote. Dump prints the records of the journal where
// there is one, else every file's. Verify: 1 if anything is damaged.
[[nodiscard]] int journal_list(const std::string& path);
[[nodiscard]] int journal_dump(const std::string& path, uint64_t from, uint64_t count);
[[nodiscard]] int journal_verify(const std::string& path);

// Sends dead letters to a running router; 0: everything asked for is acknowledged. The router
// routes them as any record: to every output that takes them.
struct ReplayArguments {
  std::vector<std::string> files = {};
  std::string to = {};             // HOST:PORT or unix:PATH
  std::string reason = {};         // only these; empty: all
  uint32_t timeout_seconds = 600;  // for each file
};
[[nodiscard]] int journal_replay_dead_letters(const ReplayArguments& arguments);

// What a month of logs costs before and after. 0, or 1 for an unknown region or a wrong price.
struct CostArguments {
  double gb_per_month = 100;
  double error_share = 0.1;
  double gzip_ratio = 100.0 / 30;  // the specification's; the router's own is mostly 6 to 9
  std::string region = "ap-northeast-1";
  double retention_months = 1;
  double month = 12;
  double tasks = 2;
  double upload_minutes = 10;  // upload_timeout: an object of each task at least so often
  double zones = 2;
  std::vector<std::string> prices = {};  // NAME=DOLLARS
  bool json = false;
};
[[nodiscard]] int print_cost(const CostArguments& arguments);

// One plugin's options as a terminal page ("help") or as the README's table ("table"); all names if
// `plugin` is empty.
[[nodiscard]] int print_options(const std::string& plugin, bool markdown);
// The generated part of docs/migrate-from-fluent-bit.md.
[[nodiscard]] int print_migration();

// Prints a classic configuration as YAML. With `keep_includes` included files stay included, as
// .yaml; else what they hold is printed. 1 with a reason on stderr if it cannot be.
[[nodiscard]] int convert(const std::string& path, bool keep_includes);
// What it prints for a document without mistakes.
[[nodiscard]] std::string classic_as_yaml(const Document& classic);

}  // namespace noroshi
