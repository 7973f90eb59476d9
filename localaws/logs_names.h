// Names and identifiers of groups and streams, checked as the API does, and the small enumerations.
#pragma once

#include <string>
#include <string_view>

#include "localaws/aws_error.h"
#include "localaws/json_reader.h"
#include "localaws/logs_store.h"
#include "localaws/uri.h"

namespace noroshi::localaws {

// logGroupName, or logGroupIdentifier (a name or an ARN) where the operation has both.
// InvalidParameterException.
[[nodiscard]] Answer<std::string> group_name(JsonReader& json,
                                             std::string_view member = "logGroupName");
[[nodiscard]] Answer<std::string> group_name_or_identifier(JsonReader& json);
[[nodiscard]] Answer<std::string> stream_name(JsonReader& json);
[[nodiscard]] std::string group_of_arn(std::string_view arn);

[[nodiscard]] bool allowed_retention(int64_t days);
[[nodiscard]] Answer<Parameters> parse_tags(const simdjson::dom::object& tags);
// "limit", 1 to `max`; `max` where it is absent.
[[nodiscard]] Answer<size_t> page_limit(JsonReader& json, int64_t max, int64_t otherwise);

}  // namespace noroshi::localaws
