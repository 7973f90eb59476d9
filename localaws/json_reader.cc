#include "localaws/json_reader.h"

#include <fmt/format.h>

namespace noroshi::localaws {

std::unexpected<AwsError> serialization_error(std::string message) {
  return refuse(400, "SerializationException", std::move(message));
}

std::unexpected<AwsError> invalid_parameter(std::string message) {
  return refuse(400, "InvalidParameterException", std::move(message));
}

Answer<void> JsonReader::parse(std::string_view body) {
  simdjson::dom::element root;
  if (const auto error = parser_.parse(body.data(), body.size()).get(root);
      error != simdjson::SUCCESS) {
    return serialization_error(
        fmt::format("The request body is not JSON: {}", simdjson::error_message(error)));
  }
  if (root.get(object_) != simdjson::SUCCESS) {
    return serialization_error("The request body is not a JSON object");
  }
  return {};
}

template <typename T>
Answer<std::optional<T>> JsonReader::member(std::string_view name) {
  simdjson::dom::element element;
  if (object_[name].get(element) != simdjson::SUCCESS || element.is_null()) return std::nullopt;
  T value{};
  if (element.get(value) != simdjson::SUCCESS) {
    return serialization_error(fmt::format("\"{}\" has a value of the wrong type", name));
  }
  return value;
}

Answer<std::optional<std::string_view>> JsonReader::string(std::string_view name) {
  return member<std::string_view>(name);
}
Answer<std::optional<int64_t>> JsonReader::integer(std::string_view name) {
  return member<int64_t>(name);
}
Answer<std::optional<bool>> JsonReader::boolean(std::string_view name) {
  return member<bool>(name);
}
Answer<std::optional<simdjson::dom::array>> JsonReader::array(std::string_view name) {
  return member<simdjson::dom::array>(name);
}
Answer<std::optional<simdjson::dom::object>> JsonReader::object(std::string_view name) {
  return member<simdjson::dom::object>(name);
}

}  // namespace noroshi::localaws
