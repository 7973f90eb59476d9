#include "app/ship/ship_main.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "app/ship/ship.h"

namespace noroshi::ship {

int ship_main(int argc, char** argv) {
  ShipOptions options;
  // What ECS gives to the containers whose logs a FireLens router takes.
  if (const char* host = std::getenv("FLUENT_HOST"); host != nullptr && *host != '\0')
    options.destination.host = host;
  double flush_seconds = 10;
  std::string when_full = "block";

  CLI::App app(
      "Sends the lines of a command, or of standard input, to a router as Docker's fluentd log "
      "driver does.",
      "noroshi ship");
  app.footer(
      "  noroshi ship --container backend -- uvicorn app:app\n"
      "  uvicorn app:app 2>&1 | noroshi ship --container backend\n\n"
      "Exit status: the command's; 0 or, if records were lost, 3 for standard input.");
  app.add_option("--container", options.container, "name of the container the lines come from")
      ->required();
  app.add_option("--container-id", options.container_id, "64 hexadecimal digits (default: random)");
  app.add_option("--tag", options.tag, "tag (default: <container>-firelens-<id>, as on ECS)");
  app.add_option("--source", options.source, "source of standard input's lines: stdout or stderr")
      ->capture_default_str();
  auto* host =
      app.add_option("--host", options.destination.host, "where the router is (or FLUENT_HOST)")
          ->capture_default_str();
  app.add_option("--port", options.destination.port, "its port (or FLUENT_PORT)")
      ->envname("FLUENT_PORT")
      ->capture_default_str();
  app.add_option("--unix", options.destination.unix_path,
                 "its Unix socket, instead of host and port")
      ->excludes(host);
  app.add_option("--buffer-records", options.queue.records, "records held while the router is away")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--buffer-bytes", options.queue.bytes, "bytes of them")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--when-full", when_full,
                 "block the program, or drop the newest lines as Docker does")
      ->check(CLI::IsMember({"block", "drop"}))
      ->capture_default_str();
  app.add_option("--flush-timeout", flush_seconds, "seconds to deliver what is left at the end")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--request-ack", options.request_ack,
               "wait for the router's word that it has stored each record");
  app.add_flag("--tee", options.tee, "copy the lines to our own output as well");
  app.add_option("command", options.command,
                 "after --, the command to run (default: read standard input)");
  app.positionals_at_end();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;  // --help is an error of status 0
  }

  options.queue.drop_when_full = when_full == "drop";
  options.flush_limit = Nanoseconds(static_cast<int64_t>(flush_seconds * 1e9));
  return ship(options);
}

}  // namespace noroshi::ship
