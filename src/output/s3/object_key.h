// ObjectKeyFormat: s3_key_format, compiled.
//
//   /logs/year=%Y/month=%m/day=%d/hour=%H/%H%M%S-$UUID.gz
//    └────────── directory ─────────────┘ └─ file name ─┘
//
// A record's *group* is its rendered directory (and the tag, where the file name uses it): records
// of one group share an object. The key itself is rendered once for a batch, from its first record.
// Both are pure functions: the same record always gives the same text.
//
// $TAG, $TAG[n] (parts between any of the delimiter characters, from 0), $UUID, $INDEX, and
// strftime's conversions in UTC or a zone. Unlike Fluent Bit a '%' inside a tag stays as it is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "parser/time_zone.h"

namespace noroshi {

struct ObjectKeyOptions {
  std::string tag_delimiters = ".";
  std::shared_ptr<const TimeZone> zone = {};  // null: UTC
  // Keep a file name without $UUID as it is (static_file_path): objects may overwrite each other.
  bool allow_repeats = false;
};

class ObjectKeyFormat {
 public:
  // S3's limit, in bytes of UTF-8.
  static constexpr size_t kKeyBytesMax = 1024;
  // $UUID: 16 of 0-9 a-v, 80 bits. With a billion objects in one directory the chance that any two
  // share one is below one in a million.
  static constexpr size_t kUuidBytes = 16;

  // InvalidArgument: empty, no file name, an unknown conversion, too long.
  static Result<ObjectKeyFormat> parse(std::string_view format, ObjectKeyOptions options);

  // The group of a record. Changes with time only from one time_step() to the next.
  void append_group(std::string& out, std::string_view tag, Timestamp time) const;
  // Times with the same quotient by this share a group; zero: time does not matter.
  [[nodiscard]] Seconds time_step() const { return time_step_; }

  // Key of an object whose first record has this tag and time. `uuid` is unique_id()'s.
  [[nodiscard]] std::string render(std::string_view tag, Timestamp time, std::string_view uuid,
                                   uint64_t index) const;

  // False: the user's format could repeat, and "-<id>" was put in front of its extension.
  [[nodiscard]] bool names_id() const { return names_id_; }
  // Up to the first variable part, without the leading '/': "logs/year=".
  [[nodiscard]] std::string literal_prefix() const;

 private:
  enum class Kind { Literal, Time, Tag, TagPart, Uuid, Index };
  struct Token {
    Kind kind = Kind::Literal;
    std::string text = {};  // Literal; Time: the conversion, "%H"
    uint32_t part = 0;      // TagPart
  };
  struct Values;

  void add_literal(std::string_view text);
  Status add_time(char conversion);
  Status split_directory();
  void insert_id();
  Status bound_tags();
  void render_token(std::string& out, const Token& token, const Values& values) const;

  ObjectKeyOptions options_;
  std::vector<Token> tokens_;
  size_t directory_tokens_ = 0;  // tokens_ before the file name
  Seconds time_step_{0};
  size_t tag_bytes_max_ = 0;
  bool names_id_ = false;
};

// $UUID: a function of the journal, the output and the first record, so that a batch sent again
// after a crash replaces the object it made before.
[[nodiscard]] std::string unique_id(std::string_view journal_id, std::string_view output,
                                    uint64_t offset, Timestamp time);

}  // namespace noroshi
