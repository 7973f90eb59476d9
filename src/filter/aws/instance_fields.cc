#include "filter/aws/instance_fields.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "aws/imds.h"
#include "aws/task_metadata.h"
#include "base/log.h"
#include "config/split_list.h"

namespace noroshi {
namespace {

// EC2 allows 50 tags on an instance.
constexpr size_t kTagsMax = 50;

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '/')) text.pop_back();
  return text;
}

class Reader {
 public:
  Reader(const AwsFilterOptions& options, const AwsEnvironment& environment, Monotonic deadline)
      : options_(options), imds_(environment), deadline_(deadline) {}

  Result<InstanceFields> read() {
    using Get = Result<std::string> (Reader::*)();
    const struct {
      bool wanted;
      const char* name;
      Get get;
    } rows[] = {{options_.az, "az", &Reader::az},
                {options_.ec2_instance_id, "ec2_instance_id", &Reader::instance_id},
                {options_.ec2_instance_type, "ec2_instance_type", &Reader::instance_type},
                {options_.private_ip, "private_ip", &Reader::private_ip},
                {options_.vpc_id, "vpc_id", &Reader::vpc_id},
                {options_.ami_id, "ami_id", &Reader::ami_id},
                {options_.account_id, "account_id", &Reader::account_id},
                {options_.hostname, "hostname", &Reader::hostname}};
    for (const auto& row : rows) {
      if (row.wanted) NOROSHI_TRY(add(row.name, (this->*row.get)()));
    }
    if (options_.tags_enabled) NOROSHI_TRY(add_tags());
    return std::move(fields_);
  }
  [[nodiscard]] const std::string& missing() const { return missing_; }

 private:
  Result<std::string> get(std::string_view path) { return imds_.get(path, deadline_); }
  Result<std::string> az() { return get("/latest/meta-data/placement/availability-zone"); }
  Result<std::string> instance_id() { return get("/latest/meta-data/instance-id"); }
  Result<std::string> instance_type() { return get("/latest/meta-data/instance-type"); }
  Result<std::string> private_ip() { return get("/latest/meta-data/local-ipv4"); }
  Result<std::string> ami_id() { return get("/latest/meta-data/ami-id"); }
  Result<std::string> hostname() { return get("/latest/meta-data/hostname"); }
  Result<std::string> vpc_id() {
    NOROSHI_ASSIGN(const std::string mac, get("/latest/meta-data/mac"));
    return get(fmt::format("/latest/meta-data/network/interfaces/macs/{}/vpc-id", trimmed(mac)));
  }
  Result<std::string> account_id() {
    NOROSHI_ASSIGN(const std::string text, get("/latest/dynamic/instance-identity/document"));
    simdjson::dom::parser parser;
    std::string_view account;
    if (parser.parse(text)["accountId"].get(account) != simdjson::SUCCESS)
      return fail(ErrorCode::NotFound, "the identity document has no accountId");
    return std::string(account);
  }

  // The instance that lacks one thing may have the others.
  Status add(std::string name, Result<std::string> value) {
    if (value) {
      fields_.emplace_back(std::move(name), trimmed(*std::move(value)));
    } else if (value.error().code == ErrorCode::NotFound && answered_) {
      missing_ += (missing_.empty() ? "" : ", ") + name;
      return {};
    } else {
      return std::unexpected(value.error());
    }
    answered_ = true;
    return {};
  }

  [[nodiscard]] bool tag_wanted(const std::string& tag) const {
    const auto among = [&](const std::string& list) {
      const auto names = split_list(list);
      return std::ranges::find(names, tag) != names.end();
    };
    if (!options_.tags_include.empty()) return among(options_.tags_include);
    return !among(options_.tags_exclude);
  }

  Status add_tags() {
    const Result<std::string> list = get("/latest/meta-data/tags/instance");
    if (!list) return add("tags (is InstanceMetadataTags enabled?)", list);
    size_t count = 0;
    std::string_view rest = *list;
    while (!rest.empty() && count < kTagsMax) {
      const size_t end = rest.find('\n');
      const std::string tag = trimmed(std::string(rest.substr(0, end)));
      rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
      if (tag.empty() || !tag_wanted(tag)) continue;
      ++count;
      NOROSHI_TRY(add(tag, get("/latest/meta-data/tags/instance/" + tag)));
    }
    return {};
  }

  const AwsFilterOptions& options_;
  InstanceMetadata imds_;
  Monotonic deadline_;
  InstanceFields fields_;
  std::string missing_;
  bool answered_ = false;
};

InstanceFields fields_of(const AwsFilterOptions& options, const TaskMetadata& task) {
  InstanceFields fields;
  if (options.az && !task.availability_zone.empty())
    fields.emplace_back("az", task.availability_zone);
  if (options.account_id && !task.account_id.empty())
    fields.emplace_back("account_id", task.account_id);
  return fields;
}

}  // namespace

Result<InstanceFields> read_instance_fields(const AwsFilterOptions& options,
                                            const AwsEnvironment& environment,
                                            std::string_view component, Monotonic deadline) {
  Reader reader(options, environment, deadline);
  Result<InstanceFields> fields = reader.read();
  if (!fields && in_ecs_task(environment)) {
    NOROSHI_ASSIGN(const TaskMetadata task, read_task_metadata(environment, deadline));
    // On EC2 it is there, but does not reach into a container's network by default.
    const bool on_ec2 = task.launch_type == "EC2";
    log_at(on_ec2 ? LogLevel::Warn : LogLevel::Info, component,
           "no instance metadata ({}): only az and account_id are known, from the task{}",
           fields.error().message,
           on_ec2 ? "; HttpPutResponseHopLimit 2 lets containers reach it" : "");
    return fields_of(options, task);
  }
  if (fields && !reader.missing().empty())
    log_warn(component, "the instance has no {}", reader.missing());
  return fields;
}

}  // namespace noroshi
