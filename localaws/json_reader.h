// Members of a JSON request, with the messages the Logs API uses for wrong ones.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "localaws/aws_error.h"

namespace noroshi::localaws {

class JsonReader {
 public:
  // SerializationException unless `body` is one JSON object.
  [[nodiscard]] Answer<void> parse(std::string_view body);

  // nullopt: absent or null. SerializationException for another type.
  [[nodiscard]] Answer<std::optional<std::string_view>> string(std::string_view name);
  [[nodiscard]] Answer<std::optional<int64_t>> integer(std::string_view name);
  [[nodiscard]] Answer<std::optional<bool>> boolean(std::string_view name);
  [[nodiscard]] Answer<std::optional<simdjson::dom::array>> array(std::string_view name);
  [[nodiscard]] Answer<std::optional<simdjson::dom::object>> object(std::string_view name);

 private:
  template <typename T>
  Answer<std::optional<T>> member(std::string_view name);

  simdjson::dom::parser parser_;
  simdjson::dom::object object_;
};

[[nodiscard]] std::unexpected<AwsError> serialization_error(std::string message);
[[nodiscard]] std::unexpected<AwsError> invalid_parameter(std::string message);

}  // namespace noroshi::localaws
