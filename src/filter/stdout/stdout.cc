#include "filter/stdout/stdout.h"

#include <fmt/format.h>

#include <cstdio>
#include <iterator>

#include "record/msgpack_text.h"

namespace noroshi {

const OptionTable<StdoutFilterOptions>& stdout_filter_option_table() {
  static const auto table =
      OptionTable<StdoutFilterOptions>("stdout", "Shows records on standard output as they pass.");
  return table;
}

// plugins/filter_stdout/stdout.c
void append_shown_records(std::string& out, const ChunkView& chunk) {
  size_t number = 0;
  for (const RecordEntry& entry : chunk.records) {
    fmt::format_to(std::back_inserter(out), "[{}] {}: [", number++, chunk.tag);
    write_seconds(out, entry.time);
    out += ", ";
    const std::string_view metadata = chunk.metadata(entry);
    if (metadata.empty())
      out += "{}";
    else
      write_msgpack_text(out, metadata);
    out += ", ";
    write_msgpack_text(out, chunk.record(entry));
    out += "]\n";
  }
}

namespace {

class StdoutFilter final : public Filter {
 public:
  void apply(Chunk& chunk, FilterOutput&, FilterMetrics&) override {
    text_.clear();
    append_shown_records(text_, chunk.view());
    // A standard output that is gone must not stop the records.
    [[maybe_unused]] const size_t written = std::fwrite(text_.data(), 1, text_.size(), stdout);
    std::fflush(stdout);
  }

 private:
  std::string text_;
};

std::optional<MadeFilter> make(const Section& section, const FilterContext&,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  static_cast<void>(stdout_filter_option_table().parse(section, diagnostics));
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeFilter made;
  made.description = "shows records on standard output";
  made.filter = std::make_unique<StdoutFilter>();
  return made;
}

}  // namespace

const FilterPlugin kStdoutFilter = {
    .name = "stdout",
    .summary = "Shows records on standard output as they pass.",
    .options = [] { return stdout_filter_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
