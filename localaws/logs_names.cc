#include "localaws/logs_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace noroshi::localaws {
namespace {

constexpr size_t kNameCharactersMax = 512;
constexpr size_t kTagsMax = 50;
constexpr auto kRetentionDays =
    std::to_array<int64_t>({1,   3,   5,   7,   14,   30,   60,   90,   120,  150,  180,
                            365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653});

size_t characters(std::string_view utf8) {
  return static_cast<size_t>(std::ranges::count_if(
      utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::unexpected<AwsError> constraint(std::string_view value, std::string_view member,
                                     std::string_view rule) {
  return invalid_parameter(fmt::format(
      "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: {}", value,
      member, rule));
}

Answer<std::string> checked_group_name(std::string_view name, std::string_view member) {
  if (name.empty())
    return constraint(name, member, "Member must have length greater than or equal to 1");
  if (name.size() > kNameCharactersMax) {
    return constraint(name, member, "Member must have length less than or equal to 512");
  }
  const bool allowed = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._-/#").find(c) != std::string_view::npos;
  });
  if (!allowed) {
    return constraint(name, member,
                      "Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+");
  }
  return std::string(name);
}

}  // namespace

Answer<std::string> group_name(JsonReader& json, std::string_view member) {
  NOROSHI_ASSIGN(const auto name, json.string(member));
  if (!name) return constraint("null", member, "Member must not be null");
  return checked_group_name(*name, member);
}

std::string group_of_arn(std::string_view arn) {
  static constexpr std::string_view kMark = ":log-group:";
  const size_t at = arn.find(kMark);
  if (!arn.starts_with("arn:") || at == std::string_view::npos) return std::string(arn);
  std::string_view name = arn.substr(at + kMark.size());
  return std::string(name.substr(0, name.find(':')));
}

Answer<std::string> group_name_or_identifier(JsonReader& json) {
  NOROSHI_ASSIGN(const auto identifier, json.string("logGroupIdentifier"));
  if (!identifier) return group_name(json);
  return checked_group_name(group_of_arn(*identifier), "logGroupIdentifier");
}

Answer<std::string> stream_name(JsonReader& json) {
  static constexpr std::string_view kMember = "logStreamName";
  NOROSHI_ASSIGN(const auto name, json.string(kMember));
  if (!name) return constraint("null", kMember, "Member must not be null");
  if (name->empty()) {
    return constraint(*name, kMember, "Member must have length greater than or equal to 1");
  }
  if (characters(*name) > kNameCharactersMax) {
    return constraint(*name, kMember, "Member must have length less than or equal to 512");
  }
  if (name->find_first_of(":*") != std::string_view::npos) {
    return constraint(*name, kMember, "Member must satisfy regular expression pattern: [^:*]*");
  }
  return std::string(*name);
}

bool allowed_retention(int64_t days) {
  return std::ranges::find(kRetentionDays, days) != kRetentionDays.end();
}

Answer<Parameters> parse_tags(const simdjson::dom::object& tags) {
  Parameters out;
  for (const auto& [name, value] : tags) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS)
      return serialization_error("a tag's value is not a string");
    if (name.empty() || characters(name) > 128 || characters(text) > 256) {
      return invalid_parameter("A tag has a key of 1 to 128 and a value of at most 256 characters");
    }
    out.emplace_back(name, text);
  }
  if (out.size() > kTagsMax) return invalid_parameter("At most 50 tags are allowed");
  return out;
}

Answer<size_t> page_limit(JsonReader& json, int64_t max, int64_t otherwise) {
  NOROSHI_ASSIGN(const auto limit, json.integer("limit"));
  if (!limit) return static_cast<size_t>(otherwise);
  if (*limit < 1) {
    return constraint(std::to_string(*limit), "limit",
                      "Member must have value greater than or equal to 1");
  }
  if (*limit > max) {
    return constraint(std::to_string(*limit), "limit",
                      fmt::format("Member must have value less than or equal to {}", max));
  }
  return static_cast<size_t>(*limit);
}

}  // namespace noroshi::localaws
