// The options that every input, filter or output takes, so that a plugin's own table holds only its
// own. Each parse function reads them from a section, reports what is wrong, and ignores every
// other key: those are the plugin table's business. Neither throws nor exits.
//
// An empty `match` with an empty `match_regex` means: not set. (Fluent Bit then uses "*" if there
// is exactly one input and one output; who builds the pipeline decides.)
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "config/option_table.h"

namespace noroshi {

struct InputCommon {
  std::string alias = {};
  LocatedText tag = {};
  std::optional<LogLevel> log_level = {};
  ByteSize mem_buf_limit = {};  // 0: not set
  bool active = true;           // false: the section is skipped
};

struct FilterCommon {
  std::string alias = {};
  LocatedText match = {};
  LocatedText match_regex = {};
  std::optional<LogLevel> log_level = {};
  bool active = true;
};

struct OutputCommon {
  std::string alias = {};
  LocatedText match = {};
  LocatedText match_regex = {};
  std::vector<LocatedText> grep = {};  // "KEY V1,V2" or "KEY /regex/": noroshi's own; all must hold
  LocatedText level_min = {};          // for RecordCondition::set_level_min(); "" if not set
  std::optional<RetryLimit> retry_limit = {};  // unset: the delivery loop's own rule
  ByteSize storage_total_limit_size = {};      // 0: no limit of its own
  std::optional<LogLevel> log_level = {};
  int64_t workers = 1;
  // For plugins that talk to a host; their own tables may declare `host`, `port` and `tls` instead.
  std::string host = {};
  int64_t port = 0;  // 0: not set
  std::optional<bool> tls = {};
  bool tls_verify = true;
  std::string tls_ca_file = {};
  std::string tls_crt_file = {};
  std::string tls_key_file = {};
  std::string tls_vhost = {};
  Nanoseconds net_connect_timeout = Seconds(10);
  Nanoseconds net_io_timeout = {};  // 0: not set, the plugin's own deadline
  bool active = true;
};

[[nodiscard]] InputCommon parse_input_common(const Section& section, Diagnostics& diagnostics);
[[nodiscard]] FilterCommon parse_filter_common(const Section& section, Diagnostics& diagnostics);
[[nodiscard]] OutputCommon parse_output_common(const Section& section, Diagnostics& diagnostics);

// The table of a kind, for documentation and unknown-key checks; null for kinds without common
// options.
[[nodiscard]] const OptionTableBase* common_option_table(SectionKind kind);

}  // namespace noroshi
