#include "filter/aws/aws.h"

#include <fmt/format.h>

#include "filter/added_fields.h"
#include "filter/aws/instance_fields.h"
#include "filter/background_value.h"
#include "filter/waiting_filter.h"

namespace noroshi {

const OptionTable<AwsFilterOptions>& aws_filter_option_table() {
  using O = AwsFilterOptions;
  static const auto table =
      OptionTable<O>("aws", "Adds what the metadata of the EC2 instance says.")
          .option("az", &O::az, "on", "Availability zone. On Fargate the task's.")
          .option("ec2_instance_id", &O::ec2_instance_id, "on", "Id of the instance.")
          .option("ec2_instance_type", &O::ec2_instance_type, "off", "Its type.")
          .option("private_ip", &O::private_ip, "off", "Its private IPv4 address.")
          .option("vpc_id", &O::vpc_id, "off", "Its VPC.")
          .option("ami_id", &O::ami_id, "off", "Its image.")
          .option("account_id", &O::account_id, "off", "The account. On Fargate the task's.")
          .option("hostname", &O::hostname, "off", "The instance's host name, as `hostname`.")
          .option("tags_enabled", &O::tags_enabled, "off",
                  "The instance's tags, each under its own name.")
          .option("tags_include", &O::tags_include, "Only these tags, separated by commas.")
          .option("tags_exclude", &O::tags_exclude, "All but these; not with tags_include.")
          .option("retry_interval_s", &O::retry_interval_s, "300",
                  "Seconds between attempts where the metadata cannot be had.")
          .between("1", "86400")
          .ignored("imds_version", "Version 2 is asked; version 1 only where that does not exist.")
          .ignored("enable_entity", "It is for the CloudWatch agent's add-on to Fluent Bit.");
  return table;
}

namespace {

class AwsFilter final : public WaitingFilter {
 public:
  AwsFilter(const std::string& component, const AwsFilterOptions& options,
            const AwsEnvironment& environment)
      : source_(component, "the instance's metadata",
                [component, options, &environment](Monotonic deadline) {
                  return read_instance_fields(options, environment, component, deadline);
                },
                {.retry_interval = Seconds(options.retry_interval_s)}) {}

 private:
  bool settled() override {
    source_.start();
    return source_.settled();
  }
  void change(Chunk& chunk) override {
    if (!complete_) take_fields();
    added_.add_to(chunk, rewriter_);
  }
  void take_fields() {
    const auto fields = source_.value();
    if (fields == nullptr) return;
    for (const auto& [name, value] : *fields) added_.set(name, value);
    complete_ = true;
  }

  BackgroundValue<InstanceFields> source_;
  AddedFields added_;
  bool complete_ = false;
  ChunkRewriter rewriter_;
};

std::string describe(const AwsFilterOptions& options) {
  std::string names;
  const std::pair<bool, const char*> all[] = {{options.az, "az"},
                                              {options.ec2_instance_id, "ec2_instance_id"},
                                              {options.ec2_instance_type, "ec2_instance_type"},
                                              {options.private_ip, "private_ip"},
                                              {options.vpc_id, "vpc_id"},
                                              {options.ami_id, "ami_id"},
                                              {options.account_id, "account_id"},
                                              {options.hostname, "hostname"},
                                              {options.tags_enabled, "tags"}};
  for (const auto& [wanted, name] : all) {
    if (wanted) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  }
  return names.empty() ? "adds nothing" : fmt::format("adds {} of the instance", names);
}

std::optional<MadeFilter> make(const Section& section, const FilterContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const AwsFilterOptions options = aws_filter_option_table().parse(section, diagnostics);
  if (!options.tags_include.empty() && !options.tags_exclude.empty()) {
    diagnostics.error(section.where_of("tags_exclude"),
                      "tags_include and tags_exclude exclude each other");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeFilter made;
  made.description = describe(options);
  made.filter =
      std::make_unique<AwsFilter>("filter:" + context.instance_name, options, context.aws);
  return made;
}

}  // namespace

const FilterPlugin kAwsFilter = {
    .name = "aws",
    .summary = "Adds what the metadata of the EC2 instance says.",
    .options = [] { return aws_filter_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
