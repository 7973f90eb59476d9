// RecordCondition: which records an output wants. The lines of its section, all of which must hold:
//
//   Grep       level ERROR,CRITICAL,FATAL     the whole value is one of these, in any case
//   Grep       $http['path'] /^\/api\//       the value matches a regular expression
//   Level_Min  warn                           severity (severity.h) is at least this
//
// Where KEY is a severity key (is_severity_key) words compare by severity as well as by text: ERROR
// selects "error", "ERR" and pino's 50. If the record has no KEY, or a value there that is no
// level, the record's inferred severity decides, so that "ERROR:    Exception in ASGI application"
// is selected too. A value that is not a string is compared by its JSON text. A missing KEY that is
// no severity key: no match.
//
// Immutable once built; one per thread is not needed. docs/severity.md is the user's page.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "record/bitmap.h"
#include "record/chunk.h"
#include "record/record_accessor.h"

namespace noroshi {

// Sets the severity of every record that is NotInferred. Cost: one scan of each record's top-level
// keys.
void infer_severities(std::span<RecordEntry> records, std::string_view body);

// Where one key's values are in the records of a chunk, looked up once for every condition that
// asks: finding a key costs far more than comparing its value.
class FoundValues {
 public:
  // Before the next chunk.
  void forget() { known_ = false; }
  // A value for each record, of MessagePack in `body`; with a null pointer where it is missing.
  [[nodiscard]] std::span<const std::string_view> of(const RecordAccessor& key,
                                                     std::span<const RecordEntry> records,
                                                     std::string_view body);

 private:
  std::vector<std::string_view> values_;
  bool known_ = false;
};
// By RecordCondition::keys(), of those keys that are worth it: several conditions ask for them.
using SharedLookups = std::map<std::string, FoundValues, std::less<>>;

class RecordCondition {
 public:
  RecordCondition();  // holds for every record
  ~RecordCondition();
  RecordCondition(RecordCondition&&) noexcept;
  RecordCondition& operator=(RecordCondition&&) noexcept;

  // "KEY V1,V2" or "KEY /regex/": the value of one Grep line.
  [[nodiscard]] Status add_grep(std::string_view line);
  // "warn": the value of Level_Min, any word parse_severity() knows.
  [[nodiscard]] Status set_level_min(std::string_view word);

  // True if no line was added: every record is selected.
  [[nodiscard]] bool always() const;
  // One canonical text of all lines, equal exactly if the conditions are: part of a route table's
  // identity.
  [[nodiscard]] std::string text() const;
  // The keys of its Grep lines, spelt the same for the same key.
  [[nodiscard]] std::vector<std::string> keys() const;

  // Sizes `selected` to the records and sets the bit of each that fulfils the condition. Severities
  // are inferred where needed and remembered in the entries, so that several outputs share the
  // work. `lookups`: of this chunk, or null.
  void evaluate(std::span<RecordEntry> records, std::string_view body, Bitmap& selected,
                SharedLookups* lookups = nullptr) const;
  // One record alone; `severity` is what infer_severity() says of it.
  [[nodiscard]] bool matches(std::string_view record, Severity severity) const;

 private:
  struct Grep;
  std::vector<Grep> greps_;
  std::optional<Severity> level_min_;
};

}  // namespace noroshi
