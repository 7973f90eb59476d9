// The command line. Without a verb it is Fluent Bit's: `noroshi -c fluent-bit.conf`.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "admin/admin_server.h"
#include "app/cli/command_line.h"
#include "app/cli/verbs.h"
#include "app/ship/ship_main.h"

namespace {

// What Fluent Bit 5.1.1 does is what this command line and its configurations are modelled on;
// scripts that ask `fluent-bit --version` look for its words.
void print_version(std::string_view program) {
  if (program == "fluent-bit") std::puts("Fluent Bit v5.1.1");
  std::puts("noroshi " NOROSHI_VERSION);
}

std::string_view name_of(const char* program) {
  const char* slash = std::strrchr(program, '/');
  return slash == nullptr ? program : slash + 1;
}

// The verbs: a command line of its own for each. With `argv` null their list is printed.
int run_verb(std::string_view program, int argc, char** argv) {
  CLI::App app(
      "noroshi, a log router for AWS FireLens: reads Fluent Bit's configuration, loses no "
      "acknowledged record",
      std::string(program));
  app.add_subcommand(
      "check",
      "build everything the flags describe, print every problem, keep nothing; flags as below");

  std::string url = "http://127.0.0.1:2020/api/v1/health";
  int timeout_ms = 3000;
  CLI::App* health =
      app.add_subcommand("health", "ask the running router how it is; exit status 0: healthy");
  health->add_option("url", url, "where its HTTP API is")->capture_default_str();
  health->add_option("--timeout-ms", timeout_ms, "give up after")->capture_default_str();

  std::string directory = "/var/lib/noroshi";
  uint64_t from = 0, count = UINT64_MAX;
  CLI::App* journal =
      app.add_subcommand("journal", "look into the files of a router, also of a running one");
  journal->require_subcommand(1);
  CLI::App* list = journal->add_subcommand(
      "ls", "segments, outputs and their lag, and every file with its size and age");
  CLI::App* dump =
      journal->add_subcommand("dump", "records as JSON lines; of one file: what it says");
  CLI::App* verify =
      journal->add_subcommand("verify", "check every checksum of every file; exit status 0: sound");
  for (CLI::App* verb : {list, dump, verify}) {
    verb->add_option(
            "path", directory,
            "storage.path, the journal or dead-letter directory in it, an S3 store_dir, or "
            "one file: a tail input's offsets, a segment, a checkpoint")
        ->capture_default_str();
  }
  dump->add_option("--from", from, "first offset");
  dump->add_option("--count", count, "records at most");

  noroshi::ReplayArguments letters;
  CLI::App* replay = journal->add_subcommand(
      "replay-dead-letters",
      "send dead letters to a running router again, with tag, time and record; it routes them as "
      "any record, to every output that takes them. A file whose records are all acknowledged is "
      "renamed to FILE.replayed");
  replay->add_option("files", letters.files, "storage.path/dead-letter/OUTPUT.jsonl")->required();
  replay->add_option("--to", letters.to, "its forward input: HOST:PORT or unix:PATH")->required();
  replay->add_option("--reason", letters.reason, "only those of this reason, such as rejected");
  replay->add_option("--timeout", letters.timeout_seconds, "seconds for each file")
      ->capture_default_str();

  std::string plugin;
  bool markdown = false, migration = false;
  CLI::App* options =
      app.add_subcommand("options", "the options of a plugin; without a name, all plugins");
  options->add_option("plugin", plugin, "its name, or kind/name");
  options->add_flag("--markdown", markdown, "as the table of its README");
  options->add_flag("--migration", migration,
                    "what there is of Fluent Bit's, as in docs/migrate-from-fluent-bit.md");

  std::string classic;
  bool keep_includes = false;
  CLI::App* convert = app.add_subcommand("convert", "print a classic configuration as YAML");
  convert->add_option("file", classic, "fluent-bit.conf")->required();
  convert->add_flag("--keep-includes", keep_includes,
                    "included files stay files; convert each of them as well");

  noroshi::CostArguments costs;
  CLI::App* cost = app.add_subcommand(
      "cost", "what a month of logs costs: all to CloudWatch Logs, or errors there and all to S3");
  cost->add_option("--gb-per-month", costs.gb_per_month, "log text of all containers, in GB")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  cost->add_option("--error-share", costs.error_share, "of it ERROR and above, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  cost->add_option("--gzip-ratio", costs.gzip_ratio, "log text to bytes in S3")
      ->check(CLI::Range(1.0, 1000.0))
      ->capture_default_str();
  cost->add_option("--region", costs.region, "where")->capture_default_str();
  cost->add_option("--retention-months", costs.retention_months, "of the log groups")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  cost->add_option("--month", costs.month, "after the first deployment: what S3 keeps grows")
      ->check(CLI::Range(1.0, 1200.0))
      ->capture_default_str();
  cost->add_option("--tasks", costs.tasks, "that run all the time")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  cost->add_option("--upload-minutes", costs.upload_minutes, "upload_timeout of the S3 output")
      ->check(CLI::Range(0.1, 1440.0))
      ->capture_default_str();
  cost->add_option("--zones", costs.zones, "availability zones with endpoints")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  cost->add_option("--price", costs.prices, "NAME=DOLLARS in place of the table's; repeatable");
  cost->add_flag("--json", costs.json, "as JSON");

  app.add_subcommand(
      "ship", "send a program's lines to a router, as Docker's log driver would (ship --help)");

  app.set_help_flag();  // the flags have one
  if (argv == nullptr) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  if (*health) return noroshi::ask_for_health(url, noroshi::Milliseconds(timeout_ms));
  if (*list) return noroshi::journal_list(directory);
  if (*dump) return noroshi::journal_dump(directory, from, count);
  if (*verify) return noroshi::journal_verify(directory);
  if (*replay) return noroshi::journal_replay_dead_letters(letters);
  if (*cost) return noroshi::print_cost(costs);
  if (*options && migration) return noroshi::print_migration();
  if (*options) return noroshi::print_options(plugin, markdown);
  if (*convert) return noroshi::convert(classic, keep_includes);
  return 1;  // CLI11 has refused every other word
}

// The flags of Fluent Bit, behind the program's name or behind `check`.
int run_flags(std::string_view program, int argc, char** argv, bool check) {
  using noroshi::CommandLine;
  const CommandLine line = noroshi::parse_command_line(argc, argv);
  switch (line.action) {
    case CommandLine::Action::Run:
      return check ? noroshi::check(line.arguments) : noroshi::run(line.arguments);
    case CommandLine::Action::Check:
      return noroshi::check(line.arguments);
    case CommandLine::Action::Version:
      print_version(program);
      return 0;
    case CommandLine::Action::HelpOfPlugin:
      return noroshi::print_options(line.plugin, false);
    case CommandLine::Action::Help:
      run_verb(program, 0, nullptr);
      std::printf("Flags, without a verb or behind check:\n%s",
                  noroshi::command_line_help().c_str());
      return 0;
    case CommandLine::Action::Mistake:
      break;
  }
  std::fprintf(stderr, "%.*s: %s; --help lists the flags\n", static_cast<int>(program.size()),
               program.data(), line.mistake.c_str());
  return 1;  // for any mistake, as Fluent Bit
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view program = argc > 0 ? name_of(argv[0]) : "noroshi";
  // The verb `ship` has a command of its own behind it and so a command line of its own.
  if (argc > 1 && std::string_view(argv[1]) == "ship")
    return noroshi::ship::ship_main(argc - 1, argv + 1);

  const bool check = argc > 1 && std::string_view(argv[1]) == "check";
  // A router that starts has no verb: none of them is made.
  if (argc < 2 || *argv[1] == '-' || check)
    return run_flags(program, argc - check, argv + check, check);
  return run_verb(program, argc, argv);
}
