#include "output/cloudwatch_logs/cloudwatch_logs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <thread>

#include "aws/aws_client.h"
#include "aws/region.h"
#include "aws/task_metadata.h"
#include "base/check.h"
#include "output/aws_destination.h"
#include "output/cloudwatch_logs/log_destination.h"

namespace noroshi {
namespace {

// API_PutRetentionPolicy: the only values it takes.
constexpr std::array kRetentionDays = {1,    3,    5,    7,    14,   30,  60,  90,
                                       120,  150,  180,  365,  400,  545, 731, 1096,
                                       1827, 2192, 2557, 2922, 3288, 3653};
// API_CreateLogGroup.
constexpr size_t kTagsMax = 50;
constexpr size_t kTagKeyMax = 128;
constexpr size_t kTagValueMax = 256;

// Tries to reach the task metadata, a second apart; it is on the same host.
constexpr int kTaskAttempts = 3;
constexpr Nanoseconds kTaskTimeout = Seconds(2);  // of an attempt

// The parts of a name that only the running task knows.
bool needs_ecs_task(std::string_view name) { return name.find("$(ecs_") != std::string_view::npos; }

class CloudWatchLogsOutput final : public Output {
 public:
  // `names` are log_group_name and log_stream_name where they are written with the Go plugin's
  // $(…).
  struct GoNames {
    std::string group = {};
    std::string stream = {};
    std::function<Result<TaskMetadata>()> read_task = {};
  };

  CloudWatchLogsOutput(std::string identity, LogDestinationOptions destination, GoNames names,
                       LogsDeliveryOptions delivery, std::shared_ptr<LogBatchContext> batches,
                       LogsDelivery::MakeClient make_client)
      : identity_(std::move(identity)),
        destination_(std::move(destination)),
        names_(std::move(names)),
        batches_(std::move(batches)),
        delivery_(std::move(delivery), batches_->clock, std::move(make_client)) {}

  // Nothing waits for a clock, so [SERVICE] Flush, "the longest wait", is kept whatever it is.
  BatchLimits limits() const override {
    return {.records_max = log_limits::kRequestRecordsMax,
            .request_interval_min = log_limits::kRequestInterval};
  }
  std::string identity() const override { return identity_; }
  void group(const ChunkView& chunk, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups) override {
    destination_.group(chunk, records, groups);
  }
  Result<std::unique_ptr<Batch>> open_batch(std::string_view group, const BatchStart&) override {
    const LogDestination::Names names = LogDestination::split(group);
    return std::make_unique<LogBatch>(std::string(names.group), std::string(names.stream),
                                      batches_);
  }
  Delivery deliver(Batch& batch, Monotonic deadline) override {
    return delivery_.deliver(static_cast<LogBatch&>(batch), deadline);
  }
  int shutdown_order() const override { return 0; }
  void start(OutputMetrics& metrics) override {
    batches_->metrics = &metrics;
    if (needs_ecs_task(names_.group) || needs_ecs_task(names_.stream)) fill_in_task();
  }

 private:
  // Without an answer $(ecs_cluster) and $(ecs_task_arn) stay keys of the record, as FireLens adds
  // them, and where they are missing the default names hold.
  void fill_in_task() {
    for (int attempt = 1; attempt <= kTaskAttempts; ++attempt) {
      const auto task = names_.read_task();
      if (task) {
        const LogNameTemplate::Variables variables = {
            {"ecs_task_id", task->id}, {"ecs_task_arn", task->arn}, {"ecs_cluster", task->cluster}};
        destination_.set_names(parse(names_.group, variables), parse(names_.stream, variables));
        return;
      }
      if (task.error().code == ErrorCode::NotFound || attempt == kTaskAttempts) {
        log_error(batches_->options.component, "$(ecs_…) in a name cannot be filled in: {}",
                  task.error().message);
        return;
      }
      std::this_thread::sleep_for(Seconds(1));
    }
  }
  static std::optional<LogNameTemplate> parse(const std::string& name,
                                              const LogNameTemplate::Variables& variables) {
    if (name.empty()) return std::nullopt;
    auto parsed = LogNameTemplate::parse_go(name, variables);
    CHECK(parsed.has_value(), "the name was checked with the section");
    return *std::move(parsed);
  }

  std::string identity_;
  LogDestination destination_;
  GoNames names_;
  std::shared_ptr<LogBatchContext> batches_;
  LogsDelivery delivery_;
};

// ---- From the section to the parts --------------------------------------------------------------

// "team=web,stage=prod"
std::vector<std::pair<std::string, std::string>> parse_tags(const Section& section,
                                                            std::string_view text,
                                                            Diagnostics& diagnostics) {
  std::vector<std::pair<std::string, std::string>> tags;
  const auto wrong = [&](std::string message) {
    diagnostics.error(section.where_of("log_group_tags"), std::move(message))
        .help("write log_group_tags as key=value,key=value");
  };
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view pair = trim(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    const std::string_view key = trim(pair.substr(0, equals));
    if (equals == std::string_view::npos || key.empty()) {
      wrong(fmt::format("the log group tag \"{}\" is not key=value", pair));
      continue;
    }
    const std::string_view value = trim(pair.substr(equals + 1));
    if (key.size() > kTagKeyMax || value.size() > kTagValueMax) {
      wrong(fmt::format(
          "the log group tag \"{}\" is too long: keys have at most {} characters, values {}", key,
          kTagKeyMax, kTagValueMax));
    }
    tags.emplace_back(key, value);
  }
  if (tags.size() > kTagsMax) wrong(fmt::format("a log group has at most {} tags", kTagsMax));
  return tags;
}

// A static name, a name with the Go plugin's $(…), or a template; nullopt: not set, or an error was
// added.
std::optional<LogNameTemplate> parse_name(const LocatedText& option, bool go_plugin,
                                          Diagnostics& diagnostics) {
  if (option.text.empty()) return std::nullopt;
  auto parsed =
      go_plugin ? LogNameTemplate::parse_go(option.text) : LogNameTemplate::parse(option.text);
  if (!parsed) {
    diagnostics.error(option.where, fmt::format("{}: {}", option.name, parsed.error().message));
    return std::nullopt;
  }
  return *std::move(parsed);
}

// $(uuid) is another one each time the program starts.
void fill_in_uuid(std::string& name) {
  constexpr std::string_view kVariable = "$(uuid)";
  std::random_device random;
  for (size_t at = 0; (at = name.find(kVariable, at)) != std::string::npos;) {
    const auto bits = [&] { return random() & 0xFFFF; };
    name.replace(
        at, kVariable.size(),
        fmt::format("{:04x}{:04x}-{:04x}-4{:03x}-{:04x}-{:04x}{:04x}{:04x}", bits(), bits(), bits(),
                    bits() & 0xFFF, 0x8000 | (bits() & 0x3FFF), bits(), bits(), bits()));
  }
}

bool is_go_template(const LocatedText& option) {
  return option.text.find("$(") != std::string::npos;
}

LogDestinationOptions make_destination(const Section& section, const CloudWatchLogsOptions& options,
                                       Diagnostics& diagnostics) {
  LogDestinationOptions destination;
  // Groups.
  if (is_go_template(options.log_group_name)) {
    destination.group = parse_name(options.log_group_name, true, diagnostics);
    destination.group_fallback = options.default_log_group_name;
  } else {
    destination.group = parse_name(options.log_group_template, false, diagnostics);
    destination.group_fallback = options.log_group_name.text;
    if (const std::string& name = options.log_group_name.text; !name.empty()) {
      if (const std::string valid = valid_group_name(name); valid != name) {
        diagnostics
            .error(options.log_group_name.where,
                   fmt::format("\"{}\" cannot be the name of a log group: 1 to {} characters of "
                               "a-z A-Z 0-9 _ - / . #",
                               name, log_limits::kNameBytesMax))
            .help(fmt::format("\"{}\" would be valid", valid));
      } else if (name.starts_with("aws/")) {
        diagnostics.error(options.log_group_name.where,
                          "names that begin with \"aws/\" are reserved");
      }
    }
  }
  // Streams.
  const bool has_name = !options.log_stream_name.text.empty();
  const bool has_prefix = !options.log_stream_prefix.text.empty();
  if (has_name && has_prefix) {
    diagnostics
        .error(options.log_stream_prefix.where,
               "log_stream_prefix and log_stream_name exclude each other")
        .note("log_stream_name is set here", options.log_stream_name.where);
  }
  if (!has_name && !has_prefix && options.log_stream_template.text.empty()) {
    diagnostics.error(section.where, "neither log_stream_name nor log_stream_prefix is set")
        .help("with \"log_stream_prefix fargate-\" the stream is named fargate-<tag>");
  }
  if (is_go_template(options.log_stream_name)) {
    destination.stream = parse_name(options.log_stream_name, true, diagnostics);
    destination.stream_fallback = options.default_log_stream_name;
  } else {
    destination.stream = parse_name(options.log_stream_template, false, diagnostics);
    destination.stream_fallback =
        has_name ? options.log_stream_name.text : options.default_log_stream_name;
  }
  if (has_prefix) destination.stream_prefix = options.log_stream_prefix.text;
  for (const LocatedText* option : {&options.log_stream_name, &options.log_stream_prefix}) {
    if (option->text.empty() || is_go_template(*option)) continue;
    if (const std::string valid = valid_stream_name(option->text); valid != option->text) {
      diagnostics.warning(option->where,
                          fmt::format("a log stream cannot be named so (no ':' and '*', at most {} "
                                      "characters): \"{}\" is used",
                                      log_limits::kNameBytesMax, valid));
    }
  }
  return destination;
}

void check_values(const Section& section, const CloudWatchLogsOptions& options,
                  Diagnostics& diagnostics) {
  if (options.log_retention_days != 0 &&
      std::ranges::find(kRetentionDays, options.log_retention_days) == kRetentionDays.end()) {
    const auto nearest = std::ranges::lower_bound(kRetentionDays, options.log_retention_days);
    auto& error = diagnostics.error(
        section.where_of("log_retention_days"),
        fmt::format("CloudWatch Logs knows no retention of {} days", options.log_retention_days));
    if (nearest != kRetentionDays.end())
      error.help(fmt::format("the next longer one is {}", *nearest));
    error.note(fmt::format("possible are {}", fmt::join(kRetentionDays, ", ")));
  }
  if (!options.region.empty() && !is_region_name(options.region)) {
    diagnostics.error(section.where_of("region"),
                      fmt::format("\"{}\" is not the name of an AWS region", options.region));
  }
  for (const auto& [name, text] : {std::pair("log_format", &options.log_format),
                                   std::pair("extra_user_agent", &options.extra_user_agent)}) {
    if (std::ranges::any_of(*text, [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
      diagnostics.error(section.where_of(name),
                        fmt::format("{} cannot contain control characters", name));
    }
  }
  const bool creates = options.auto_create_group;
  for (const auto& [name, set] :
       {std::pair("log_retention_days", options.log_retention_days != 0),
        std::pair("log_group_class", !options.log_group_class.empty()),
        std::pair("log_group_tags", !options.log_group_tags.empty()),
        std::pair("log_group_kms_key", !options.log_group_kms_key.empty())}) {
    if (set && !creates) {
      diagnostics.warning(
          section.where_of(name),
          fmt::format("{} has no effect without auto_create_group: it is applied to "
                      "groups that noroshi makes",
                      name));
    }
  }
}

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  CloudWatchLogsOptions options = cloudwatch_logs_option_table().parse(section, diagnostics);

  const auto first_set = [](const LocatedText& a, const LocatedText& b) {
    return a.text.empty() ? b.text : a.text;
  };
  const std::string group = first_set(options.log_group_template, options.log_group_name);
  std::string stream = first_set(options.log_stream_template, options.log_stream_name);
  if (stream.empty()) stream = options.log_stream_prefix.text + "<tag>";
  // As written: the identity must not change with each start.
  const std::string identity =
      fmt::format("cloudwatch_logs:{}:{}:{}:{}", options.region, options.endpoint, group, stream);

  fill_in_uuid(options.log_group_name.text);
  fill_in_uuid(options.log_stream_name.text);
  LogDestinationOptions destination = make_destination(section, options, diagnostics);
  check_values(section, options, diagnostics);
  auto tags = parse_tags(section, options.log_group_tags, diagnostics);

  AwsDestination aws = resolve_aws_destination(kCloudWatchLogs, aws_settings_of(options), section,
                                               context.aws, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;

  const std::string component = "output:" + context.instance_name;
  destination.component = component;
  LogsDeliveryOptions delivery{
      .component = component,
      .log_format = options.log_format,
      .user_agent = options.extra_user_agent.empty()
                        ? std::string()
                        : fmt::format("{} {}", http_user_agent(), options.extra_user_agent),
      .compression = options.compress,
      .auto_create_group = options.auto_create_group,
      .retention_days = static_cast<uint32_t>(options.log_retention_days),
      .group_class = options.log_group_class,
      .kms_key = options.log_group_kms_key,
      .tags = std::move(tags)};

  CloudWatchLogsOutput::GoNames names{
      .group = is_go_template(options.log_group_name) ? options.log_group_name.text : "",
      .stream = is_go_template(options.log_stream_name) ? options.log_stream_name.text : "",
      .read_task = [&environment = context.aws] {
        return read_task_metadata(environment, system_clock().monotonic() + kTaskTimeout);
      }};

  MadeOutput made;
  made.destination =
      fmt::format("CloudWatch Logs {}, streams {}, {}", group, stream, aws.to_string());
  if (!options.log_key.empty()) made.log_key = options.log_key;
  auto batches = std::make_shared<LogBatchContext>(
      LogBatchOptions{.component = component,
                      .log_key = options.log_key,
                      .oversize = options.oversize,
                      .record_bytes_max = static_cast<uint32_t>(options.record_size_max.bytes)},
      context.clock);
  made.output = std::make_unique<CloudWatchLogsOutput>(
      identity, std::move(destination), std::move(names), std::move(delivery), std::move(batches),
      [settings = std::move(aws.settings), &environment = context.aws] {
        return make_aws_client(kCloudWatchLogs, settings, environment);
      });
  return made;
}

}  // namespace

const OptionTable<CloudWatchLogsOptions>& cloudwatch_logs_option_table() {
  using O = CloudWatchLogsOptions;
  static const auto table =
      OptionTable<O>("cloudwatch_logs", "Amazon CloudWatch Logs.")
          .option("region", &O::region,
                  "AWS region. Not set: AWS_REGION, AWS_DEFAULT_REGION, the profile, the task's or "
                  "instance's metadata.")
          .required(
              "log_group_name", &O::log_group_name,
              "Log group; with log_group_template the one that is used where a key is missing. "
              "$(tag), $(key) and $(key['sub']) as in the Go plugin.")
          .option("log_stream_name", &O::log_stream_name,
                  "Log stream, for all records the same, or with $(tag) and $(key). Excludes "
                  "log_stream_prefix.")
          .option("log_stream_prefix", &O::log_stream_prefix, "The stream is this and the tag.")
          .option("log_group_template", &O::log_group_template,
                  "Log group by record accessors: /ecs/$kubernetes['namespace_name'].")
          .option("log_stream_template", &O::log_stream_template, "Log stream by record accessors.")
          .option("default_log_group_name", &O::default_log_group_name, "fluentbit-default",
                  "Where a $(key) of log_group_name is missing.")
          .option("default_log_stream_name", &O::default_log_stream_name, "/fluentbit-default",
                  "Where a $(key) of log_stream_name or log_stream_template is missing.")
          .option(
              "log_key", &O::log_key,
              "Send the value of this key instead of the whole record. A record without it is sent "
              "whole.")
          .option("log_format", &O::log_format, "Header x-amzn-logs-format: json/emf.")
          .option("auto_create_group", &O::auto_create_group, "off",
                  "Make log groups that do not exist.")
          .option("log_retention_days", &O::log_retention_days, "0",
                  "Retention of groups made here; 0: for ever.")
          .choice("log_group_class", &O::log_group_class, "", {"STANDARD", "INFREQUENT_ACCESS"},
                  "Class of groups made here.")
          .option("log_group_tags", &O::log_group_tags,
                  "Tags of groups made here: key=value,key=value.")
          .alias("new_log_group_tags")
          .option("log_group_kms_key", &O::log_group_kms_key,
                  "ARN of the KMS key of groups made here.")
          .alias("kms_key_id")
          .option("endpoint", &O::endpoint,
                  "Host, host:port or URL (http:// too) instead of the region's; else "
                  "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS, AWS_ENDPOINT_URL.")
          .option("role_arn", &O::role_arn, "Role to assume on top of the found credentials.")
          .option("external_id", &O::external_id, "External id for that.")
          .option("sts_endpoint", &O::sts_endpoint, "Where to assume it.")
          .option("profile", &O::profile, "Profile of the AWS configuration files.")
          .option("extra_user_agent", &O::extra_user_agent, "Appended to the User-Agent.")
          .choice("oversize", &O::oversize, "split",
                  {{"split", OversizePolicy::Split},
                   {"truncate", OversizePolicy::Truncate},
                   {"dead_letter", OversizePolicy::DeadLetter}},
                  "A record larger than record_size_max: several records with markers, its "
                  "beginning with a "
                  "marker, or none but a dead letter.")
          .option("record_size_max", &O::record_size_max, "1048550",
                  "Largest record in bytes, with the 26 that CloudWatch Logs adds. 262144 for "
                  "services that "
                  "lag behind.")
          .between("1024", "1048576")
          .choice("compress", &O::compress, "auto",
                  {{"off", LogsCompression::Off},
                   {"on", LogsCompression::On},
                   {"auto", LogsCompression::Auto}},
                  "Compress requests with gzip; auto stops when the service refuses it.")
          .ignored("auto_retry_requests", "Requests are repeated as the delivery loop decides.")
          .ignored("auto_create_stream", "Log streams are always made.")
          .ignored("metric_namespace", "For inputs that make metrics; there are none here.")
          .ignored("metric_dimensions", "For inputs that make metrics; there are none here.")
          .ignored(
              "credentials_endpoint", "The task's credentials are found by themselves.",
              "credentials_endpoint is ignored: set AWS_CONTAINER_CREDENTIALS_FULL_URI instead")
          .ignored("add_entity", "Entities are not sent.",
                   "add_entity is ignored: it only has an effect with Kubernetes metadata");
  return table;
}

const OutputPlugin kCloudWatchLogsPlugin = {
    .name = "cloudwatch_logs",
    .aliases = {"cloudwatch"},
    .summary = "Amazon CloudWatch Logs",
    .options = [] { return cloudwatch_logs_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
