// The options that inputs on sockets share: tcp, syslog, forward.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/option_table.h"

namespace noroshi {

template <typename Options>
void add_connection_options(OptionTable<Options>& table, int64_t Options::* backlog,
                            int64_t Options::* connections_max) {
  table.option("net.backlog", backlog, "128", "Connections the kernel queues.")
      .between("1", "65535")
      .last_wins()
      .option("net.max_connections", connections_max, "4096",
              "Open connections; further ones wait in the kernel's queue. noroshi's own.")
      .between("1", "100000")
      .last_wins();
}

// An octal file mode such as "0660"; nullopt if none is set, and with an error if it is none.
[[nodiscard]] std::optional<uint32_t> read_file_mode(const LocatedText& given,
                                                     std::string_view plugin,
                                                     Diagnostics& diagnostics);

// An error if `path`, the value of `option`, is longer than that of a Unix socket can be.
void check_unix_path(const std::string& path, std::string_view option, const Section& section,
                     std::string_view plugin, Diagnostics& diagnostics);

}  // namespace noroshi
