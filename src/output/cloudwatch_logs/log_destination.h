// LogDestination: which log group and stream a record goes to.
//
//   stream  static name, or prefix + full tag, or a template on the record
//   group   static name, or a template on the record
//
// A template whose key is missing in a record falls back to the static name, with one warning. The
// Go plugin `cloudwatch` writes templates as $(key) inside the static names; both forms become the
// same here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "output/output.h"
#include "record/record_accessor.h"

namespace noroshi {

// Text with accessors: a record template of Fluent Bit, or the Go plugin's
// "$(tag)-$(kubernetes['pod'])".
class LogNameTemplate {
 public:
  // $TAG, $TAG[1], $key['sub'] as RecordTemplate has them. Errors: InvalidArgument.
  [[nodiscard]] static Result<LogNameTemplate> parse(std::string_view text);
  // $(tag), $(tag[1]), $(key), $(key['sub']); every other '$' is itself. $(name) of `variables` is
  // that text.
  using Variables = std::map<std::string, std::string, std::less<>>;
  [[nodiscard]] static Result<LogNameTemplate> parse_go(std::string_view text,
                                                        const Variables& variables = {});

  [[nodiscard]] bool is_literal() const;
  [[nodiscard]] bool needs_record() const;
  // Appends; false and the missing part's text if something is missing.
  bool render(const TemplateContext& context, std::string& out, std::string_view& missing) const;

 private:
  std::vector<RecordTemplate> parts_;
};

struct LogDestinationOptions {
  std::string component = "output:cloudwatch_logs";
  std::optional<LogNameTemplate> group = {};  // before the fallbacks
  std::optional<LogNameTemplate> stream = {};
  std::string group_fallback = {};  // also the static name
  // The stream without a template: this, or prefix + tag.
  std::string stream_fallback = {};
  std::optional<std::string> stream_prefix = {};
};

// On the delivery thread only.
class LogDestination {
 public:
  explicit LogDestination(LogDestinationOptions options) : options_(std::move(options)) {}

  // As Output::group(): for each record "group\nstream".
  void group(const ChunkView& chunk, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups);

  // Other names from now on, where given.
  void set_names(std::optional<LogNameTemplate> group, std::optional<LogNameTemplate> stream) {
    if (group) options_.group = std::move(group);
    if (stream) options_.stream = std::move(stream);
  }

  struct Names {
    std::string_view group;
    std::string_view stream;
  };
  // Takes a key of group() apart.
  [[nodiscard]] static Names split(std::string_view key);

 private:
  void write_key(const ChunkView& chunk, std::string_view record, std::string& key);

  LogDestinationOptions options_;
  std::unordered_set<std::string> keys_;  // of the last call: addresses stay
  std::string key_;
  LogEpisode missing_{Seconds(3600)};
};

// The name with every character a group may not have (API_CreateLogGroup: letters, digits, _ - / .
// #) replaced by '_', at most 512 bytes; never empty.
[[nodiscard]] std::string valid_group_name(std::string_view name);
// The same for streams: ':', '*' and control characters.
[[nodiscard]] std::string valid_stream_name(std::string_view name);

}  // namespace noroshi
