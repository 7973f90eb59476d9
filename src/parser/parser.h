// Parser: turns one line of text into the fields of a record: json, regex, ltsv or logfmt, with the
// time taken from one of the fields. The semantics are Fluent Bit's [PARSER] section; README.md
// lists the few deliberate differences.
//
// A Parser is one compiled definition with scratch memory of its own: not thread-safe, one per user
// (a filter, an input); ParserRegistry::make() makes as many as are wanted. After warm-up
// append_map() allocates nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace noroshi {

enum class ParserFormat { Json, Regex, Ltsv, Logfmt };

// `Types status:integer`: what a captured text becomes (regex, ltsv, logfmt; JSON has types of its
// own).
enum class FieldType { String, Integer, Float, Bool, Hex };
struct FieldTypeRule {
  std::string key = {};
  FieldType type = FieldType::String;
};

// `Decode_Field json log` adds the keys of the map inside `log`; `Decode_Field_As json log` puts
// the decoded value in its place.
struct FieldDecoder {
  enum class Codec { Json, Escaped, EscapedUtf8, MysqlQuoted };
  enum class Next {
    Stop,
    TryNext,
    DoNext
  };  // after it: nothing; another if it failed; another anyway
  bool in_place = false;  // Decode_Field_As
  Codec codec = Codec::Json;
  std::string field = {};
  Next next = Next::Stop;
};

struct ParserOptions {
  std::string name = {};
  ParserFormat format = ParserFormat::Json;
  std::string regex = {};  // Ruby syntax, `/…/flags` allowed; at least one named group
  std::string time_key = "time";
  std::string time_format = {};  // see time_format.h; empty: the record keeps its time
  bool time_keep = false;        // keep the time field in the record as well
  bool time_strict =
      true;  // false: a time that does not follow the format counts as far as it went
  Seconds time_offset = {};    // east of UTC, for times without a zone
  std::string time_zone = {};  // IANA name, for times without a zone
  bool time_system_timezone = false;
  std::vector<FieldTypeRule> types = {};
  bool skip_empty_values = true;  // regex: leave out groups that matched nothing
  bool logfmt_no_bare_keys = false;
  std::vector<FieldDecoder> decoders = {};
};

class Parser {
 public:
  // InvalidArgument if the regex, the time format or the zone is wrong; ParserRegistry adds the
  // place. `clock` (for times without a year) must outlive the parser.
  static Result<std::unique_ptr<Parser>> make(ParserOptions options, const Clock& clock);
  ~Parser();
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // Appends the fields of `text` to `out` as one MessagePack map and returns its number of pairs;
  // or nullopt, with `out` as it was, when the text is not of this format. `time` is set if the
  // text has a time of the wanted form. A time of another form stays in the record as text, counted
  // in time_failures(). `text` must not lie in `out`.
  [[nodiscard]] std::optional<uint32_t> append_map(std::string_view text, std::string& out,
                                                   std::optional<Timestamp>& time);

  // Where the keys of the map appended last begin, counted from the end of its head, to look for a
  // name without a walk over the values; empty where that is not known. Valid until the next call.
  [[nodiscard]] std::span<const uint32_t> key_positions() const;

  // The same as append_map(), replacing the content of `out_map`.
  [[nodiscard]] bool parse(std::string_view text, std::string& out_map,
                           std::optional<Timestamp>& time) {
    out_map.clear();
    return append_map(text, out_map, time).has_value();
  }

  [[nodiscard]] const ParserOptions& options() const;
  // Texts whose time field did not follow time_format.
  [[nodiscard]] uint64_t time_failures() const;

 private:
  struct Impl;
  explicit Parser(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace noroshi
