// `noroshi ship`: carries the lines of a program to a router exactly as Docker's fluentd driver
// does, for places without Docker: the demo, tests, a laptop.
//
//   uvicorn app:app 2>&1 | noroshi ship --container backend
//   noroshi ship --container backend -- uvicorn app:app
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/ship/send_queue.h"
#include "app/ship/sender.h"
#include "base/clock.h"

namespace noroshi::ship {

struct ShipOptions {
  std::string container = {};     // required: container_name, without the '/'
  std::string container_id = {};  // 64 hexadecimal digits; empty: random
  std::string tag = {};  // empty: "<container>-firelens-<first 32 digits of the id>", as on ECS
  std::string source =
      "stdout";  // of the lines of standard input; a command's two streams are kept apart
  Destination destination = {};
  std::vector<std::string> command = {};  // empty: standard input
  SendQueueLimits queue = {};
  bool request_ack = false;
  bool tee = false;                       // copy everything to our own stdout and stderr as well
  Nanoseconds flush_limit = Seconds(10);  // at the end, for what is still queued
};

// Runs to the end of the input, or of the command. Takes SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1
// and SIGUSR2 over: a command gets them (unless the terminal has sent them to it as well); without
// a command TERM and INT end the reading. The last line on stderr says what became of everything.
// Returns the command's exit code (128 + number if a signal ended it; 127 not found, 126 not
// executable). For standard input 0, or 3 if records were lost. 1 if `options` are wrong.
[[nodiscard]] int ship(const ShipOptions& options);

}  // namespace noroshi::ship
