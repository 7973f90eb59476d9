// Filter `aws`: adds what the EC2 instance's metadata says, or, on Fargate, the task's. README.md
// beside this file says what each option means to an operator.
#pragma once

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct AwsFilterOptions {
  bool az = true;
  bool ec2_instance_id = true;
  bool ec2_instance_type = false;
  bool private_ip = false;
  bool vpc_id = false;
  bool ami_id = false;
  bool account_id = false;
  bool hostname = false;
  bool tags_enabled = false;
  std::string tags_include = {};
  std::string tags_exclude = {};
  int64_t retry_interval_s = 300;
};

const OptionTable<AwsFilterOptions>& aws_filter_option_table();
extern const FilterPlugin kAwsFilter;

}  // namespace noroshi
