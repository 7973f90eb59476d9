#include "config/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace noroshi {
namespace {

ServiceOptions parse(const std::string& text, Diagnostics& diagnostics,
                     std::map<std::string, std::string> environment = {}) {
  const EnvironmentLookup lookup =
      [environment](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
  const Document document =
      parse_classic_text("test.conf", text, diagnostics, {.environment = lookup});
  return parse_service(document, diagnostics, lookup);
}

TEST(Service, WithoutASectionTheDefaultsHold) {
  Diagnostics diagnostics;
  const ServiceOptions options = parse("[INPUT]\n    Name dummy\n", diagnostics);
  EXPECT_EQ(diagnostics.render(), "");
  EXPECT_FALSE(options.flush.has_value());
  EXPECT_FALSE(options.grace.has_value());
  EXPECT_TRUE(options.http_server);
  EXPECT_EQ(options.http_listen, "127.0.0.1");
  EXPECT_EQ(options.http_port, 2020);
  EXPECT_EQ(options.log_level, LogLevel::Info);
  EXPECT_FALSE(options.hc_configured);
  EXPECT_EQ(options.where.source, nullptr);
}

TEST(Service, SectionsMergeAndTheLastValueWins) {
  Diagnostics diagnostics;
  const ServiceOptions options = parse(
      "[SERVICE]\n    Flush 1\n    Grace 30\n    Parsers_File a.conf\n    HTTP_Server On\n"
      "[SERVICE]\n    Flush 0.5\n    Parsers_File b.conf\n    HTTP_PORT 2021\n    HC_Period 5\n    "
      "storage.sync full\n"
      "    storage.total_limit_size 1G\n    storage.when_full drop_oldest\n    storage.path "
      "/data\n",
      diagnostics);
  EXPECT_EQ(diagnostics.render(), "");
  EXPECT_EQ(options.flush, Milliseconds(500));
  EXPECT_EQ(options.grace, Seconds(30));
  ASSERT_EQ(options.parsers_files.size(), 2u);
  EXPECT_EQ(options.parsers_files[1].text, "b.conf");
  EXPECT_EQ(options.http_port, 2021);
  EXPECT_EQ(options.http_where.line, 9u);
  EXPECT_TRUE(options.hc_configured);
  EXPECT_EQ(options.hc_period, Seconds(5));
  EXPECT_EQ(options.storage_sync, StorageSync::Full);
  EXPECT_EQ(options.storage_limit.bytes, 1'000'000'000u);
  EXPECT_EQ(options.storage_when_full, WhenJournalFull::DropOldest);
  EXPECT_EQ(options.storage_path, "/data");
  EXPECT_EQ(options.storage_path_where.line, 14u);
}

TEST(Service, EveryKeyOfFluentBitIsKnown) {
  // FB src/flb_config.c, as firelens-contract.md §5.4 lists them.
  const char* keys[] = {"flush",
                        "flush.adaptive",
                        "flush.adaptive.min_interval",
                        "grace",
                        "daemon",
                        "log_level",
                        "log_file",
                        "parsers_file",
                        "plugins_file",
                        "streams_file",
                        "http_server",
                        "http_listen",
                        "http_port",
                        "health_check",
                        "hc_errors_count",
                        "hc_retry_failure_count",
                        "hc_period",
                        "dns.mode",
                        "dns.resolver",
                        "dns.prefer_ipv4",
                        "storage.path",
                        "storage.sync",
                        "storage.checksum",
                        "storage.max_chunks_up",
                        "storage.backlog.mem_limit",
                        "storage.backlog.flush_on_shutdown",
                        "storage.metrics",
                        "storage.delete_irrecoverable_chunks",
                        "storage.trim_files",
                        "storage.type",
                        "storage.inherit",
                        "storage.keep.rejected",
                        "storage.rejected.path",
                        "scheduler.base",
                        "scheduler.cap",
                        "coro_stack_size",
                        "multiline_buffer_limit",
                        "json.convert_nan_to_null",
                        "json.escape_unicode",
                        "sp.convert_from_str_to_num",
                        "enable_chunk_trace",
                        "hot_reload",
                        "hot_reload.timeout",
                        "security.fips_mode"};
  for (const char* key : keys) EXPECT_NE(service_option_table().find(key), nullptr) << key;
}

TEST(Service, UnknownKeysAreWarningsAndBadValuesErrors) {
  Diagnostics diagnostics;
  const ServiceOptions options = parse(
      "[SERVICE]\n    Flsh 1\n    HTTP_Server perhaps\n    Grace -1\n    daemon on\n    Flush 0\n",
      diagnostics);
  EXPECT_EQ(diagnostics.error_count(), 2u) << diagnostics.render();
  EXPECT_EQ(diagnostics.warning_count(), 2u);
  EXPECT_THAT(diagnostics.render(), testing::HasSubstr("did you mean \"flush\"?"));
  EXPECT_TRUE(options.grace_unlimited);
  EXPECT_FALSE(options.grace.has_value());
}

TEST(Service, EnvironmentBeatsLogLevel) {
  Diagnostics diagnostics;
  EXPECT_EQ(parse("[SERVICE]\n    Log_Level warn\n", diagnostics).log_level, LogLevel::Warn);
  EXPECT_EQ(
      parse("[SERVICE]\n    Log_Level warn\n", diagnostics, {{"FLB_LOG_LEVEL", "debug"}}).log_level,
      LogLevel::Debug);
  EXPECT_EQ(diagnostics.render(), "");
  EXPECT_EQ(parse("", diagnostics, {{"FLB_LOG_LEVEL", "loud"}}).log_level, LogLevel::Info);
  EXPECT_EQ(diagnostics.warning_count(), 1u);
}

TEST(Service, TheStatisticsLineCanBeTurnedOff) {
  Diagnostics diagnostics;
  const auto interval = [&](const std::string& value) {
    return parse("[SERVICE]\n    noroshi.statistics_interval " + value + "\n", diagnostics)
        .statistics_interval;
  };
  EXPECT_EQ(parse("", diagnostics).statistics_interval, Seconds(60));
  EXPECT_EQ(interval("10"), Seconds(10));
  EXPECT_EQ(interval("off"), Seconds(0));
  EXPECT_EQ(interval("0"), Seconds(0));
  EXPECT_EQ(diagnostics.render(), "");
}

}  // namespace
}  // namespace noroshi
