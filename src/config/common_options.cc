#include "config/common_options.h"

namespace noroshi {
namespace {

constexpr std::string_view kNoBuffer = "accepted; noroshi has one buffer, the journal";
constexpr std::string_view kNoCondition =
    "has no effect: every record with a matching tag is taken";
constexpr std::string_view kPluginsBusiness = "accepted where the plugin has no use for it";
constexpr std::string_view kNoThread = "accepted; noroshi's threads are fixed";

// parse() for a section whose other keys belong to the plugin's table.
template <typename Options>
class CommonTable : public OptionTable<Options> {
 public:
  CommonTable(std::string name, std::string summary)
      : OptionTable<Options>(std::move(name), std::move(summary)) {
    this->option("alias", &Options::alias, "Name of this instance in logs and metrics.")
        .last_wins();
    this->choice("log_level", &Options::log_level, "",
                 {{"error", LogLevel::Error},
                  {"warn", LogLevel::Warn},
                  {"warning", LogLevel::Warn},
                  {"info", LogLevel::Info},
                  {"debug", LogLevel::Debug},
                  {"trace", LogLevel::Trace},
                  {"off", LogLevel::Off}},
                 "Checked, without effect: the process has one log level, [SERVICE]'s.")
        .last_wins();
    this->option("active", &Options::active, "true", "false: the section is skipped.").last_wins();
    this->ignored("log_suppress_interval", "accepted; repeated messages are limited always");
    this->ignored("_debug.http.*", "accepted");
  }

  [[nodiscard]] Options parse_known_options(const Section& section,
                                            Diagnostics& diagnostics) const {
    Options options{};
    this->parse_known(&options, section, diagnostics);
    return options;
  }
};

// What inputs and outputs have in common. A key below tls. or net. that is not known may be one of
// a newer Fluent Bit, or a typing mistake: worth a warning, no reason not to start.
template <typename Options>
void add_rarely_used(CommonTable<Options>& table) {
  for (const char* name :
       {"tls.verify_client_cert", "tls.debug", "tls.ca_path", "tls.key_passwd", "tls.min_version",
        "tls.max_version", "tls.ciphers", "tls.verify_hostname"}) {
    table.ignored(name, std::string(kPluginsBusiness));
  }
  for (const char* name : {"tls.*", "net.*"}) {
    table.ignored(name, std::string(kPluginsBusiness), "is not known; it is ignored");
  }
  table.ignored("condition", "Accepted.", std::string(kNoCondition));
}

CommonTable<InputCommon> make_input_table() {
  CommonTable<InputCommon> table("input", "Options that every input takes.");
  table
      .option("tag", &InputCommon::tag,
              "Tag of the records; the plugin says what happens without one.")
      .last_wins()
      .option("mem_buf_limit", &InputCommon::mem_buf_limit, "0",
              "Checked, without effect: bytes in memory are bounded in any case.")
      .last_wins();
  for (const char* name :
       {"storage.type", "storage.pause_on_chunks_overlimit", "storage.trim_files"}) {
    table.ignored(name, std::string(kNoBuffer));
  }
  for (const char* name : {"threaded", "thread.*", "workers"})
    table.ignored(name, std::string(kNoThread));
  for (const char* name : {"routable",
                           "rate_window",
                           "rate_gate*",
                           "host",
                           "interface",
                           "listen",
                           "port",
                           "ipv6",
                           "tls",
                           "net.share_port",
                           "net.backlog",
                           "net.io_timeout",
                           "net.accept_timeout",
                           "net.accept_timeout_log_error",
                           "net.keepalive",
                           "tls.verify",
                           "tls.ca_file",
                           "tls.crt_file",
                           "tls.key_file",
                           "tls.vhost"}) {
    table.ignored(name, std::string(kPluginsBusiness));
  }
  add_rarely_used(table);
  return table;
}

CommonTable<FilterCommon> make_filter_table() {
  CommonTable<FilterCommon> table("filter", "Options that every filter takes.");
  table.option("match", &FilterCommon::match, "Tags to handle: * is any run of characters.")
      .last_wins()
      .option("match_regex", &FilterCommon::match_regex, "Tags to handle, as a regular expression.")
      .last_wins();
  table.ignored("condition", "Accepted.", std::string(kNoCondition));
  return table;
}

CommonTable<OutputCommon> make_output_table() {
  using O = OutputCommon;
  CommonTable<O> table("output", "Options that every output takes.");
  table.option("match", &O::match, "Tags to deliver: * is any run of characters.")
      .last_wins()
      .option("match_regex", &O::match_regex, "Tags to deliver, as a regular expression.")
      .last_wins()
      .option("grep", &O::grep,
              "`KEY V1,V2` (whole value, any case) or `KEY /regex/`: only records that say so; "
              "several lines "
              "must all hold. noroshi's own.")
      .option("level_min", &O::level_min, "Only records of this severity or worse. noroshi's own.")
      .last_wins()
      .option("retry_limit", &O::retry_limit,
              "Further attempts for a batch: a number, no_limits or no_retries. Not set: as long "
              "as the "
              "journal has room.")
      .last_wins()
      .option("storage.total_limit_size", &O::storage_total_limit_size, "0",
              "How far this output may lag behind before its oldest records are given up. 0: no "
              "limit of "
              "its own.")
      .last_wins()
      .option("workers", &O::workers, "1", "Accepted; an output has one delivery thread.")
      .between("0", "1024")
      .last_wins()
      .option("host", &O::host, "Where plugins that need a host connect to.")
      .last_wins()
      .option("port", &O::port, "0", "Port of that host.")
      .between("0", "65535")
      .last_wins()
      .option("tls", &O::tls, "Use TLS; without it the plugin decides.")
      .last_wins()
      .option("tls.verify", &O::tls_verify, "true", "Check the peer's certificate.")
      .last_wins()
      .option("tls.ca_file", &O::tls_ca_file, "Certificates to trust; empty: the system's.")
      .last_wins()
      .option("tls.crt_file", &O::tls_crt_file, "Our certificate.")
      .last_wins()
      .option("tls.key_file", &O::tls_key_file, "Its key.")
      .last_wins()
      .option("tls.vhost", &O::tls_vhost, "Name to expect in the peer's certificate.")
      .last_wins()
      .option("net.connect_timeout", &O::net_connect_timeout, "10s",
              "Longest wait for a connection.")
      .between("1ms", "1h")
      .last_wins()
      .option("net.io_timeout", &O::net_io_timeout, "0",
              "Longest wait for an answer. 0: the plugin's own.")
      .between("", "1h")
      .last_wins();
  for (const char* name :
       {"ipv6", "net.keepalive", "net.keepalive_idle_timeout", "net.keepalive_max_recycle",
        "net.tcp_keepalive*", "net.connect_timeout_log_error", "net.max_worker_connections",
        "net.dns.*", "net.source_address", "net.proxy_env_ignore", "oauth2.*"}) {
    table.ignored(name, std::string(kPluginsBusiness));
  }
  add_rarely_used(table);
  table.ignored("storage.*", std::string(kNoBuffer));
  return table;
}

const CommonTable<InputCommon>& input_table() {
  static const CommonTable<InputCommon> table = make_input_table();
  return table;
}
const CommonTable<FilterCommon>& filter_table() {
  static const CommonTable<FilterCommon> table = make_filter_table();
  return table;
}
const CommonTable<OutputCommon>& output_table() {
  static const CommonTable<OutputCommon> table = make_output_table();
  return table;
}

// A section whose Retry_Limit 0 Fluent Bit accepts with a warning (as 1) is accepted here too.
Section with_zero_retries_as_one(const Section& section, Diagnostics& diagnostics) {
  Section changed = section;
  for (Property& property : changed.properties) {
    if (property.name != "retry_limit" || property.values.empty()) continue;
    const Result<int64_t> number = parse_integer(property.value());
    if (!number || *number != 0) continue;
    diagnostics.warning(property.where(), "retry_limit 0 is read as 1, as Fluent Bit does")
        .help("write no_retries for a single attempt");
    property.values.front().text = "1";
  }
  return changed;
}

}  // namespace

InputCommon parse_input_common(const Section& section, Diagnostics& diagnostics) {
  return input_table().parse_known_options(section, diagnostics);
}

FilterCommon parse_filter_common(const Section& section, Diagnostics& diagnostics) {
  return filter_table().parse_known_options(section, diagnostics);
}

OutputCommon parse_output_common(const Section& section, Diagnostics& diagnostics) {
  OutputCommon common = output_table().parse_known_options(
      with_zero_retries_as_one(section, diagnostics), diagnostics);
  return common;
}

const OptionTableBase* common_option_table(SectionKind kind) {
  switch (kind) {
    case SectionKind::Input:
      return &input_table();
    case SectionKind::Filter:
      return &filter_table();
    case SectionKind::Output:
      return &output_table();
    default:
      return nullptr;
  }
}

}  // namespace noroshi
