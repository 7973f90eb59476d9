// The old multiline mode of tail: a message begins with a line that Parser_Firstline takes, and
// goes on until the next one. The fields of the first line are the record's; a further line gives
// those of the first Parser_N that takes it, else it goes to the end of the text before it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "parser/multiline_rules.h"
#include "parser/parser.h"

namespace noroshi::tail {

// Which lines belong together. `first` decides; the lines before the first message are of none.
[[nodiscard]] std::shared_ptr<const MultilineRules> make_first_line_rules(
    std::unique_ptr<Parser> first, Nanoseconds flush_timeout);

// The joined lines of a message as its record.
class FirstLineRecords {
 public:
  FirstLineRecords(std::unique_ptr<Parser> first, std::vector<std::unique_ptr<Parser>> further);

  // Appends a map of the message's fields to `out`; the number of pairs. `time` is set where a line
  // tells one. A message whose first line is none (the rest of one that was too long) is
  // {`key`: message}, as are lines behind a field that is no text.
  uint32_t append_map(std::string_view message, std::string_view key, std::string& out,
                      std::optional<Timestamp>& time);

 private:
  struct Fields;
  bool add_fields(Parser& parser, std::string_view line, Fields& fields,
                  std::optional<Timestamp>& time);

  std::unique_ptr<Parser> first_;
  std::vector<std::unique_ptr<Parser>> further_;
  std::string map_;
};

}  // namespace noroshi::tail
