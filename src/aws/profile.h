// The shared files ~/.aws/config and ~/.aws/credentials.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "aws/credentials.h"
#include "base/result.h"

namespace noroshi {

class AwsProfile {
 public:
  using Settings = std::map<std::string, std::string, std::less<>>;
  AwsProfile() = default;
  AwsProfile(std::string name, Settings settings, bool exists)
      : name_(std::move(name)), settings_(std::move(settings)), exists_(exists) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool exists() const { return exists_; }
  // "" if it is not set. Keys are lower case; of a nested block "s3.addressing_style".
  [[nodiscard]] std::string get(std::string_view key) const;

 private:
  std::string name_;
  Settings settings_;
  bool exists_ = false;
};

// Both files, read once. A missing file is an empty one.
class AwsProfiles {
 public:
  // AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/….
  static AwsProfiles load(const AwsEnvironment& environment);

  // `option`, else AWS_PROFILE, else "default".
  [[nodiscard]] AwsProfile chosen(std::string_view option) const;
  [[nodiscard]] AwsProfile profile(std::string_view name) const;
  // endpoint_url of the profile's [services …] block for that service, else of the profile.
  [[nodiscard]] std::string endpoint_url(const AwsProfile& profile,
                                         std::string_view service_id) const;

 private:
  void read(std::string_view text, bool is_config);

  // "profile x", "services x" → settings; what the credentials file says wins.
  std::map<std::string, AwsProfile::Settings, std::less<>> sections_;
  std::string from_environment_;
};

}  // namespace noroshi
