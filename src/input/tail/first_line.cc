#include "input/tail/first_line.h"

#include <utility>

#include "record/map_pairs.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"

namespace noroshi::tail {
namespace {

class FirstLineRules final : public MultilineRules {
 public:
  FirstLineRules(std::unique_ptr<Parser> first, Nanoseconds flush_timeout)
      : MultilineRules({.name = "parser_firstline", .flush_timeout = flush_timeout}),
        first_(std::move(first)) {}

  LineStep step(State& state, std::string_view line) const override {
    if (may_start(line)) {
      state = kOpen;
      return {.role = LineRole::Starts};
    }
    return {.role = state == kOpen ? LineRole::Continues : LineRole::Other};
  }
  [[nodiscard]] bool may_start(std::string_view line) const override {
    std::optional<Timestamp> time;
    return first_->parse(line, map_, time);
  }

 private:
  static constexpr State kOpen = 1;
  // One input uses these rules: on its thread only.
  const std::unique_ptr<Parser> first_;
  mutable std::string map_;
};

}  // namespace

std::shared_ptr<const MultilineRules> make_first_line_rules(std::unique_ptr<Parser> first,
                                                            Nanoseconds flush_timeout) {
  return std::make_shared<const FirstLineRules>(std::move(first), flush_timeout);
}

// The pairs written so far; the last one waits, if it is text, for the lines that belong to it.
struct FirstLineRecords::Fields {
  explicit Fields(std::string& out) : writer(out) {}

  void close() {
    if (!open) return;
    writer.string(std::exchange(name, {}));
    writer.string(std::exchange(text, {}));
    open = false;
    ++pairs;
  }
  void add_line(std::string_view line, std::string_view key) {
    if (open) {
      text += '\n';
    } else {
      name = key;
      open = true;
    }
    text += line;
  }

  MsgpackWriter writer;
  uint32_t pairs = 0;
  bool open = false;
  std::string name, text;
};

FirstLineRecords::FirstLineRecords(std::unique_ptr<Parser> first,
                                   std::vector<std::unique_ptr<Parser>> further)
    : first_(std::move(first)), further_(std::move(further)) {}

bool FirstLineRecords::add_fields(Parser& parser, std::string_view line, Fields& fields,
                                  std::optional<Timestamp>& time) {
  std::optional<Timestamp> of_line;
  if (!parser.parse(line, map_, of_line)) return false;
  if (!time) time = of_line;
  fields.close();
  MapPairs pairs(map_);
  for (MapPair pair; pairs.next(pair);) {
    const bool last = pairs.rest().empty();
    const auto text = MsgpackReader(pair.value).read_string();
    if (last && text && pair.name.data() != nullptr) {
      fields.name = pair.name;
      fields.text = *text;
      fields.open = true;
    } else {
      fields.writer.raw(pair.bytes());
      ++fields.pairs;
    }
  }
  return true;
}

uint32_t FirstLineRecords::append_map(std::string_view message, std::string_view key,
                                      std::string& out, std::optional<Timestamp>& time) {
  const size_t begin = out.size();
  Fields fields(out);
  fields.writer.map_header(0);
  size_t end = message.find('\n');
  std::string_view line = message.substr(0, end);
  if (!add_fields(*first_, line, fields, time)) fields.add_line(line, key);
  while (end != message.npos) {
    message.remove_prefix(end + 1);
    end = message.find('\n');
    line = message.substr(0, end);
    bool taken = false;
    for (const auto& parser : further_) taken = taken || add_fields(*parser, line, fields, time);
    if (!taken) fields.add_line(line, key);
  }
  fields.close();
  set_map_pairs(out, begin, fields.pairs);
  return fields.pairs;
}

}  // namespace noroshi::tail
