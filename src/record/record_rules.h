// RecordRules: the `condition` of a YAML processor or route, evaluated for one record.
//
//   condition:
//     op: and                                # or; and is the default
//     rules:
//       - {field: "$http['status']", op: gte, value: 500}
//       - {field: "$level", op: in, value: [error, fatal]}
//
// Operators: eq neq gt lt gte lte regex not_regex in not_in. A value that is not a string is
// compared by its JSON text; gt, lt, gte and lte read it as a number and do not hold for what is
// none. A missing field is the empty text, as in Fluent Bit: neq, not_regex and not_in hold for
// it. Immutable once built, so safe to share between threads.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "record/bitmap.h"
#include "record/chunk.h"

namespace noroshi {

class RecordRules {
 public:
  enum class Join { And, Or };
  enum class Context { Body, Metadata };

  explicit RecordRules(Join join = Join::And);
  ~RecordRules();
  RecordRules(RecordRules&&) noexcept;
  RecordRules& operator=(RecordRules&&) noexcept;

  // The operators add() knows, for messages.
  [[nodiscard]] static std::span<const std::string_view> operators();

  // InvalidArgument says what is wrong with the field, the operator or the values.
  [[nodiscard]] Status add(std::string_view field, std::string_view op,
                           const std::vector<std::string>& values, Context context);

  [[nodiscard]] bool empty() const;
  // `metadata` may be empty: no metadata.
  [[nodiscard]] bool hold(std::string_view record, std::string_view metadata) const;
  // Sizes `selected` to the records and sets the bit of each for which the rules hold.
  void evaluate(std::span<const RecordEntry> records, std::string_view body,
                Bitmap& selected) const;
  // "$level in error,fatal and $path regex /^x/": equal exactly for equal rules in the same order;
  // also for people.
  [[nodiscard]] std::string text() const;

 private:
  struct Rule;
  [[nodiscard]] bool hold(std::string_view record, std::string_view metadata,
                          std::string& buffer) const;

  Join join_;
  std::vector<Rule> rules_;
};

}  // namespace noroshi
