// Output cloudwatch_logs: Amazon CloudWatch Logs. README.md is its manual.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/option_table.h"
#include "output/cloudwatch_logs/logs_delivery.h"
#include "output/plugin.h"

namespace noroshi {

struct CloudWatchLogsOptions {
  std::string region;
  LocatedText log_group_name, log_stream_name, log_stream_prefix;
  LocatedText log_group_template, log_stream_template;
  std::string default_log_group_name, default_log_stream_name;
  std::string log_key;
  std::string log_format;
  bool auto_create_group = false;
  int64_t log_retention_days = 0;
  std::string log_group_class;
  std::string log_group_tags;
  std::string log_group_kms_key;
  std::string endpoint;
  std::string role_arn, external_id, sts_endpoint, profile;
  std::string extra_user_agent;
  OversizePolicy oversize = OversizePolicy::Split;
  ByteSize record_size_max;
  LogsCompression compress = LogsCompression::Auto;
};

[[nodiscard]] const OptionTable<CloudWatchLogsOptions>& cloudwatch_logs_option_table();

extern const OutputPlugin kCloudWatchLogsPlugin;

}  // namespace noroshi
