// The command line. Without a verb it is Fluent Bit's: `noroshi -c fluent-bit.conf`.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string_view>

#include "admin/admin_server.h"
#include "app/cli/verbs.h"
#include "app/ship/ship_main.h"

namespace {

void add_run_flags(CLI::App& app, noroshi::RunArguments& arguments) {
  app.add_option("-c,--config", arguments.config,
                 "configuration file (else the text in NOROSHI_CONFIG)");
  app.add_option("-R,--parser", arguments.parsers_files, "a further parsers file; may be repeated");
  app.add_option("-w,--workdir", arguments.working_directory, "change to this directory first");
  app.add_option("-l,--log_file", arguments.log_file,
                 "write the log to this file instead of stderr");
  app.add_option("-f,--flush", arguments.flush,
                 "longest wait before a batch is sent, as [SERVICE] Flush");
  app.add_option("-b,--storage_path", arguments.storage_path,
                 "where the journal lives, as [SERVICE] storage.path");
  app.add_flag("-H,--http", arguments.http, "accepted: the HTTP API is on by default");
  app.add_option("-P,--port", arguments.http_port, "port of the HTTP API (2020)");
  app.add_option("-L,--http_listen", arguments.http_listen, "address of the HTTP API (127.0.0.1)");
}

}  // namespace

int main(int argc, char** argv) {
  // The verb `ship` has a command of its own behind it and so a command line of its own.
  if (argc > 1 && std::string_view(argv[1]) == "ship")
    return noroshi::ship::ship_main(argc - 1, argv + 1);

  CLI::App app(
      "noroshi, a log router for AWS FireLens: reads Fluent Bit's configuration, loses no "
      "acknowledged record",
      "noroshi");
  app.set_version_flag("-V,--version", "noroshi " NOROSHI_VERSION);
  noroshi::RunArguments arguments;
  bool dry_run = false, quiet = false;
  add_run_flags(app, arguments);
  app.add_flag("-D,--dry-run", dry_run, "as the verb check");
  app.add_flag("-v,--verbose", arguments.verbosity, "more log; twice: everything");
  app.add_flag("-q,--quiet", quiet, "no log at all");

  CLI::App* check = app.add_subcommand(
      "check", "build everything the configuration describes, print every problem, keep nothing");
  add_run_flags(*check, arguments);

  std::string url = "http://127.0.0.1:2020/api/v1/health";
  int timeout_ms = 3000;
  CLI::App* health =
      app.add_subcommand("health", "ask the running router how it is; exit status 0: healthy");
  health->add_option("url", url, "where its HTTP API is")->capture_default_str();
  health->add_option("--timeout-ms", timeout_ms, "give up after")->capture_default_str();

  std::string directory = "/var/lib/noroshi";
  uint64_t from = 0, count = UINT64_MAX;
  CLI::App* journal =
      app.add_subcommand("journal", "look into a journal, also of a running router");
  journal->require_subcommand(1);
  CLI::App* list = journal->add_subcommand("ls", "segments, outputs and their lag");
  CLI::App* dump = journal->add_subcommand("dump", "records as JSON lines");
  CLI::App* verify =
      journal->add_subcommand("verify", "check every checksum; exit status 0: sound");
  for (CLI::App* verb : {list, dump, verify}) {
    verb->add_option("directory", directory, "storage.path, or the journal directory in it")
        ->capture_default_str();
  }
  dump->add_option("--from", from, "first offset");
  dump->add_option("--count", count, "records at most");

  std::string plugin;
  bool markdown = false;
  CLI::App* options =
      app.add_subcommand("options", "the options of a plugin; without a name, all plugins");
  options->add_option("plugin", plugin, "its name, or kind/name");
  options->add_flag("--markdown", markdown, "as the table of its README");

  app.add_subcommand(
      "ship", "send a program's lines to a router, as Docker's log driver would (ship --help)");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;  // 1 for any mistake, as Fluent Bit
  }
  if (quiet) arguments.verbosity = -1;
  if (*check || dry_run) return noroshi::check(arguments);
  if (*health) return noroshi::ask_for_health(url, noroshi::Milliseconds(timeout_ms));
  if (*list) return noroshi::journal_list(directory);
  if (*dump) return noroshi::journal_dump(directory, from, count);
  if (*verify) return noroshi::journal_verify(directory);
  if (*options) return noroshi::print_options(plugin, markdown);
  return noroshi::run(arguments);
}
