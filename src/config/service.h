// ServiceOptions: everything [SERVICE] says, in every such section together, the last value
// winning. Fluent Bit's keys and defaults where we use them; README.md lists what differs. An
// unknown key is a warning with a suggestion (Fluent Bit is silent).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/classic.h"
#include "config/option_table.h"

namespace noroshi {

enum class StorageSync {
  Normal,  // acknowledged after the append; the kernel writes it out
  Full,    // acknowledged after fsync
};

// What an input does when the journal is full.
enum class WhenJournalFull {
  Block,  // stop reading; the client keeps the data
  DropOldest,
  DropLeastSevere,
};

struct ServiceOptions {
  std::optional<Nanoseconds> flush = {};  // unset: no fixed clock, see the delivery loop
  // Longest shutdown. Unset: the shutdown's own default (Fluent Bit: 5 s).
  std::optional<Nanoseconds> grace = {};
  bool grace_unlimited = false;         // Grace -1
  LogLevel log_level = LogLevel::Info;  // FLB_LOG_LEVEL in the environment beats the file
  std::string log_file = {};
  std::vector<LocatedText> parsers_files = {};

  // Time between two statistics lines on stderr (docs/statistics-line.md); 0: none.
  Nanoseconds statistics_interval = Seconds(60);
  bool hot_reload = false;  // SIGHUP and /api/v2/reload read the configuration again

  bool http_server = true;  // the specified health check needs it; Fluent Bit: off
  std::string http_listen = "127.0.0.1";
  int64_t http_port = 2020;

  std::optional<bool> health_check = {};
  int64_t hc_errors_count = 5;
  int64_t hc_retry_failure_count = 5;
  Nanoseconds hc_period = Seconds(60);
  bool hc_configured = false;  // any of the three was set: Fluent Bit's rule applies

  std::string storage_path = {};  // "": see docs/configuration.md, "Where the journal lives"
  StorageSync storage_sync = StorageSync::Normal;
  ByteSize storage_limit = {};  // of the journal; 0: not set
  WhenJournalFull storage_when_full = WhenJournalFull::Block;

  ByteSize multiline_buffer_limit = {2'000'000};  // of one joined message

  SourceLocation where = {};  // of the first [SERVICE]; empty if there is none
  SourceLocation storage_path_where = {};
  SourceLocation http_where = {};  // of http_port, else http_listen, else http_server
};

[[nodiscard]] ServiceOptions parse_service(
    const Document& document, Diagnostics& diagnostics,
    const EnvironmentLookup& environment = process_environment());

// For documentation.
[[nodiscard]] const OptionTableBase& service_option_table();

}  // namespace noroshi
