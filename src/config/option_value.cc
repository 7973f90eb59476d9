#include "config/option_value.h"

namespace noroshi {
namespace {

template <typename T>
Status set(T& member, Result<T> parsed) {
  if (!parsed) return std::unexpected(std::move(parsed).error());
  member = *std::move(parsed);
  return {};
}

}  // namespace

Status assign_option(std::string& member, const LocatedText& given) {
  member = given.text;
  return {};
}
Status assign_option(bool& member, const LocatedText& given) {
  return set(member, parse_boolean(given.text));
}
Status assign_option(int64_t& member, const LocatedText& given) {
  return set(member, parse_integer(given.text));
}
Status assign_option(double& member, const LocatedText& given) {
  return set(member, parse_double(given.text));
}
Status assign_option(ByteSize& member, const LocatedText& given) {
  return set(member, parse_byte_size(given.text));
}
Status assign_option(Nanoseconds& member, const LocatedText& given) {
  return set(member, parse_duration(given.text));
}
Status assign_option(RetryLimit& member, const LocatedText& given) {
  return set(member, parse_retry_limit(given.text));
}
Status assign_option(LocatedText& member, const LocatedText& given) {
  member = given;
  return {};
}
Status assign_option(std::vector<std::string>& member, const LocatedText& given) {
  member.push_back(given.text);
  return {};
}
Status assign_option(std::vector<LocatedText>& member, const LocatedText& given) {
  member.push_back(given);
  return {};
}

}  // namespace noroshi
