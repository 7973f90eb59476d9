// Record accessor: Fluent Bit's way to name a place in a record.
//
//   level   $level                       the value of a top-level key
//   $kubernetes['pod']['name']           nested maps
//   $items[0]                            an array element (from 0)
//   /ecs/$TAG[1]-$level.log              a template: text with accessors, $TAG, $TAG[n], $0 … $9
//
// Compiled once; lookups read the MessagePack in place and allocate nothing. Immutable, so safe to
// share.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace noroshi {

class RecordAccessor {
 public:
  // "$key['sub'][0]"; text without a '$' in front is one literal top-level key, whatever it
  // contains.
  [[nodiscard]] static Result<RecordAccessor> parse(std::string_view text);

  // The value's MessagePack bytes inside `record` (one map), or nullopt if the key is missing. Of
  // duplicate keys the last one counts, as for JSON readers and Fluent Bit.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view record) const;
  // The same for a record known to be whole, as those of a chunk are: what stands behind the last
  // place where the key could be is not looked at.
  [[nodiscard]] std::optional<std::string_view> find_in_whole(std::string_view record) const;

  // The top-level key.
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] bool nested() const { return !steps_.empty(); }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  using Step = std::variant<std::string, uint32_t>;
  std::string text_;
  std::string key_;
  // Looks at the pairs that begin before `behind`.
  [[nodiscard]] std::optional<std::string_view> find_from(const char* at, const char* end,
                                                          const char* behind) const;

  std::vector<Step> steps_;
};

// The value of a top-level string key of a MessagePack map.
[[nodiscard]] std::optional<std::string_view> find_key(std::string_view record,
                                                       std::string_view key);

// Appends a value as text: a string or binary as it is, everything else as JSON. False if not
// well-formed.
bool append_value_text(std::string& out, std::string_view value);

// Where a template's parts come from. $TAG[n] is the n-th part of the tag between `tag_delimiters`.
struct TemplateContext {
  std::string_view tag = {};
  std::string_view record = {};
  std::span<const std::string_view> captures = {};  // $0 the whole match, $1 the first group …
  std::string_view tag_delimiters = ".";  // a set of characters (s3_key_format_tag_delimiters)
};

class RecordTemplate {
 public:
  // An accessor in a template ends before '.', ' ', ',' or '"' outside of ['…'], as in Fluent Bit;
  // here also before '/' and '-', unless inside brackets. "$$" is a dollar sign.
  [[nodiscard]] static Result<RecordTemplate> parse(std::string_view text);

  // Appends the rendered text. False if a part was missing (key, tag part or capture): it is
  // rendered as nothing, and `missing`, if given, gets its text ("$level").
  bool render(const TemplateContext& context, std::string& out,
              std::string_view* missing = nullptr) const;

  // True if it has no variable part at all / none that needs the record.
  [[nodiscard]] bool is_literal() const;
  [[nodiscard]] bool needs_record() const;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  struct Literal {
    std::string text;
  };
  struct Tag {};
  struct TagPart {
    uint32_t index;
    std::string text;
  };
  struct Capture {
    uint32_t index;
    std::string text;
  };
  std::string text_;
  std::vector<std::variant<Literal, Tag, TagPart, Capture, RecordAccessor>> parts_;
};

}  // namespace noroshi
