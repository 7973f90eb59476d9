#include "config/service.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/values.h"

namespace noroshi {
namespace {

using S = ServiceOptions;

OptionTable<S> make_table() {
  const std::string one_buffer = "Accepted; noroshi's one buffer is the journal.";
  const std::string accepted = "Accepted.";
  OptionTable<S> table("service", "What concerns the whole process.");
  table
      .option("flush", &S::flush,
              "Longest wait before records are sent on. Not set: no fixed clock.")
      .between("1ms", "1h")
      .last_wins()
      .option("grace", &S::grace,
              "Longest time a shutdown may take to deliver what is left; -1: no limit.")
      .between("", "1d")
      .last_wins()
      .choice("log_level", &S::log_level, "info",
              {{"error", LogLevel::Error},
               {"warn", LogLevel::Warn},
               {"warning", LogLevel::Warn},
               {"info", LogLevel::Info},
               {"debug", LogLevel::Debug},
               {"trace", LogLevel::Trace},
               {"off", LogLevel::Off}},
              "What noroshi itself logs. FLB_LOG_LEVEL in the environment beats it.")
      .last_wins()
      .option("log_file", &S::log_file, "File the log goes to instead of stderr.")
      .last_wins()
      .option("parsers_file", &S::parsers_files, "File with [PARSER] sections.")
      .option(
          "noroshi.statistics_interval", &S::statistics_interval, "60",
          "Time between two lines of statistics (JSON) on stderr; off or 0: none. noroshi's own.")
      .between("0", "1d")
      .last_wins()
      .option("hot_reload", &S::hot_reload, "false",
              "SIGHUP and /api/v2/reload read the configuration again. -Y does the same.")
      .last_wins()
      .option("http_server", &S::http_server, "true", "The admin server: health and metrics.")
      .last_wins()
      .option("http_listen", &S::http_listen, "127.0.0.1", "Address of the admin server.")
      .last_wins()
      .option("http_port", &S::http_port, "2020", "Its port.")
      .between("0", "65535")
      .last_wins()
      .option("health_check", &S::health_check, "Accepted; /api/v1/health answers in any case.")
      .last_wins()
      .option("hc_errors_count", &S::hc_errors_count, "5",
              "More output errors than this in the period: unhealthy.")
      .between("0", "1000000000")
      .last_wins()
      .option("hc_retry_failure_count", &S::hc_retry_failure_count, "5",
              "More batches given up than this in the period: unhealthy.")
      .between("0", "1000000000")
      .last_wins()
      .option("hc_period", &S::hc_period, "60", "The period.")
      .between("1s", "1d")
      .last_wins()
      .option("storage.path", &S::storage_path, "Directory of the journal.")
      .last_wins()
      .choice("storage.sync", &S::storage_sync, "normal",
              {{"normal", StorageSync::Normal}, {"full", StorageSync::Full}},
              "When a chunk is acknowledged: normal after the append, full after fsync.")
      .last_wins()
      .option("storage.limit", &S::storage_limit, "0",
              "Size of the journal. 0: at most 4 GiB and half of the free disk; 16 MiB in memory.")
      .alias("storage.total_limit_size")
      .last_wins()
      .choice("storage.when_full", &S::storage_when_full, "block",
              {{"block", WhenJournalFull::Block},
               {"drop_oldest", WhenJournalFull::DropOldest},
               {"drop_least_severe", WhenJournalFull::DropLeastSevere}},
              "A full journal: stop reading the clients, or give up records. noroshi's own.")
      .last_wins()
      .option(
          "multiline_buffer_limit", &S::multiline_buffer_limit, "2MB",
          "Size of a message joined of several lines; a longer one goes on in a further record.")
      .between("16KiB", "6MiB")
      .last_wins();
  table.ignored("daemon", accepted)
      .ignored("plugins_file", accepted, "has no effect: shared-object plugins cannot be loaded")
      .ignored("streams_file", accepted, "has no effect: there is no stream processor");
  for (const char* name :
       {"storage.checksum", "storage.max_chunks_up", "storage.backlog.*", "storage.metrics",
        "storage.delete_irrecoverable_chunks", "storage.trim_files", "storage.type",
        "storage.inherit", "storage.keep.rejected", "storage.rejected.*"}) {
    table.ignored(name, one_buffer);
  }
  for (const char* name : {"flush.*", "dns.*", "scheduler.*", "coro_stack_size", "json.*", "sp.*",
                           "enable_chunk_trace", "hot_reload.*", "security.*"}) {
    table.ignored(name, accepted);
  }
  return table;
}

const OptionTable<S>& table() {
  static const OptionTable<S> instance = make_table();
  return instance;
}

// All [SERVICE] sections as one. A key in a later section replaces it in the earlier ones without a
// word (an included file often brings its own [SERVICE]); a key twice in one section is left for
// the table.
Section merged(const std::vector<const Section*>& sections) {
  Section all = *sections.front();
  for (size_t i = 1; i < sections.size(); ++i) {
    std::erase_if(all.properties, [&](const Property& earlier) {
      const OptionInfo* info = table().find(earlier.name);
      return (info == nullptr || !info->repeatable) && sections[i]->find(earlier.name) != nullptr;
    });
    all.properties.insert(all.properties.end(), sections[i]->properties.begin(),
                          sections[i]->properties.end());
  }
  return all;
}

void apply_environment(ServiceOptions& options, const EnvironmentLookup& environment,
                       Diagnostics& diagnostics) {
  const std::optional<std::string> level = environment("FLB_LOG_LEVEL");
  if (!level || level->empty()) return;
  if (!parse_log_level(*level, options.log_level)) {
    diagnostics.warning(
        {}, fmt::format("FLB_LOG_LEVEL in the environment: \"{}\" is no log level; it is ignored",
                        *level));
  }
}

}  // namespace

ServiceOptions parse_service(const Document& document, Diagnostics& diagnostics,
                             const EnvironmentLookup& environment) {
  const std::vector<const Section*> sections = document.find_all(SectionKind::Service);
  ServiceOptions options = table().defaults();
  if (!sections.empty()) {
    Section section = merged(sections);
    const Property* grace = section.find("grace");
    const bool unlimited = grace != nullptr && trim(grace->value()) == "-1";
    if (unlimited)
      std::erase_if(section.properties, [](const Property& p) { return p.name == "grace"; });
    for (Property& property : section.properties) {
      if (property.name != "noroshi.statistics_interval") continue;
      PropertyValue& value = property.values.back();
      if (parse_boolean(value.text) == false) value.text = "0";
    }
    options = table().parse(section, diagnostics);
    options.grace_unlimited = unlimited;
    const Property* daemon = section.find("daemon");
    if (daemon != nullptr && parse_boolean(daemon->value()).value_or(true)) {
      diagnostics.warning(daemon->key_where,
                          "service: \"daemon\" has no effect: noroshi stays in the foreground");
    }
    options.hc_configured = section.find("hc_errors_count") != nullptr ||
                            section.find("hc_retry_failure_count") != nullptr ||
                            section.find("hc_period") != nullptr;
    options.where = section.where;
    if (section.find("storage.path") != nullptr)
      options.storage_path_where = section.where_of("storage.path");
    for (const char* name : {"http_server", "http_listen", "http_port"}) {
      if (section.find(name) != nullptr) options.http_where = section.where_of(name);
    }
  }
  apply_environment(options, environment, diagnostics);
  return options;
}

const OptionTableBase& service_option_table() { return table(); }

}  // namespace noroshi
