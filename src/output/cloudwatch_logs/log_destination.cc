#include "output/cloudwatch_logs/log_destination.h"

#include <fmt/format.h>

#include <algorithm>

#include "output/cloudwatch_logs/log_batch.h"
#include "output/cloudwatch_logs/log_limits.h"

namespace noroshi {
namespace {

// Neither names of groups nor of streams can contain it.
constexpr char kSeparator = '\n';

bool is_group_character(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '/' || c == '.' || c == '#';
}

bool is_stream_character(unsigned char c) { return c >= 0x20 && c != 0x7F && c != ':' && c != '*'; }

template <typename Allowed>
std::string valid_name(std::string_view name, Allowed allowed) {
  std::string valid;
  append_repaired_utf8(valid, name);
  for (char& c : valid) {
    if (!allowed(static_cast<unsigned char>(c))) c = '_';
  }
  if (valid.empty()) valid = "_";
  return std::string(split_utf8(valid, log_limits::kNameBytesMax).front());
}

// A template that is nothing but this text.
std::string escape_template(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped.append(c == '$' ? 2 : 1, c);
  return escaped;
}

}  // namespace

std::string valid_group_name(std::string_view name) { return valid_name(name, is_group_character); }
std::string valid_stream_name(std::string_view name) {
  return valid_name(name, is_stream_character);
}

// ---- LogNameTemplate ----------------------------------------------------------------------------

Result<LogNameTemplate> LogNameTemplate::parse(std::string_view text) {
  LogNameTemplate name;
  NOROSHI_ASSIGN(RecordTemplate part, RecordTemplate::parse(text));
  name.parts_.push_back(std::move(part));
  return name;
}

Result<LogNameTemplate> LogNameTemplate::parse_go(std::string_view text,
                                                  const Variables& variables) {
  LogNameTemplate name;
  const auto add = [&](const std::string& part_text) -> Status {
    NOROSHI_ASSIGN(RecordTemplate part, RecordTemplate::parse(part_text));
    name.parts_.push_back(std::move(part));
    return {};
  };
  while (!text.empty()) {
    const size_t begin = text.find("$(");
    if (begin != 0) NOROSHI_TRY(add(escape_template(text.substr(0, begin))));
    if (begin == std::string_view::npos) break;
    const size_t end = text.find(')', begin);
    if (end == std::string_view::npos) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("no ')' after \"{}\"", text.substr(begin)));
    }
    std::string variable(text.substr(begin + 2, end - begin - 2));
    if (variable.empty()) return fail(ErrorCode::InvalidArgument, "\"$()\" names nothing");
    if (variable == "tag" || variable.starts_with("tag[")) variable.replace(0, 3, "TAG");
    const auto known = variables.find(variable);
    NOROSHI_TRY(add(known != variables.end() ? escape_template(known->second) : "$" + variable));
    text.remove_prefix(end + 1);
  }
  return name;
}

bool LogNameTemplate::is_literal() const {
  return std::ranges::all_of(parts_, &RecordTemplate::is_literal);
}

bool LogNameTemplate::needs_record() const {
  return std::ranges::any_of(parts_, &RecordTemplate::needs_record);
}

bool LogNameTemplate::render(const TemplateContext& context, std::string& out,
                             std::string_view& missing) const {
  return std::ranges::all_of(
      parts_, [&](const RecordTemplate& part) { return part.render(context, out, &missing); });
}

// ---- LogDestination -----------------------------------------------------------------------------

void LogDestination::write_key(const ChunkView& chunk, std::string_view record, std::string& key) {
  const TemplateContext context{.tag = chunk.tag, .record = record};
  const auto render = [&](const std::optional<LogNameTemplate>& name, std::string& out) {
    if (!name) return false;
    std::string_view missing;
    if (name->render(context, out, missing)) return true;
    if (const auto times = missing_.admit()) {
      log_warn(options_.component,
               "{} is missing in a record of {}: the static name is used ({} times)", missing,
               chunk.tag, times);
    }
    return false;
  };
  std::string name;
  key = valid_group_name(render(options_.group, name) ? name : options_.group_fallback);
  key += kSeparator;
  name.clear();
  if (!render(options_.stream, name)) {
    name = options_.stream_prefix ? fmt::format("{}{}", *options_.stream_prefix, chunk.tag)
                                  : options_.stream_fallback;
  }
  key += valid_stream_name(name);
}

void LogDestination::group(const ChunkView& chunk, std::span<const uint32_t> records,
                           std::vector<std::string_view>& groups) {
  keys_.clear();
  const auto needs_record = [](const auto& name) { return name && name->needs_record(); };
  if (!needs_record(options_.group) && !needs_record(options_.stream)) {
    write_key(chunk, {}, key_);
    groups.insert(groups.end(), records.size(), key_);
    return;
  }
  for (const uint32_t index : records) {
    write_key(chunk, chunk.record(chunk.records[index]), key_);
    groups.push_back(*keys_.insert(key_).first);
  }
}

LogDestination::Names LogDestination::split(std::string_view key) {
  const size_t at = key.find(kSeparator);
  return {key.substr(0, at), key.substr(at + 1)};
}

}  // namespace noroshi
