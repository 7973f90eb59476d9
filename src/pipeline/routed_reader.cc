#include "pipeline/routed_reader.h"

namespace noroshi {

RoutedReader::RoutedReader(Journal& journal, std::shared_ptr<const RouteTable> routes,
                           size_t number, Output& output, Offset from, Offset to)
    : routes_(std::move(routes)),
      number_(number),
      output_(output),
      from_(from),
      to_(to),
      reader_(journal.make_reader(from)) {}

Result<ReadOutcome> RoutedReader::next() {
  for (;;) {
    NOROSHI_ASSIGN(const ReadOutcome outcome, reader_->next(head_));
    if (outcome != ReadOutcome::Entry) return outcome;
    if (head_.base >= to_) return ReadOutcome::End;
    if (!routes_->selects_none(number_, head_.routing.route_table, head_.routing.marks)) {
      return outcome;
    }
  }
}

std::optional<uint32_t> RoutedReader::count() const {
  return routes_->count(number_, head_.routing.route_table, head_.routing.marks,
                        head_.record_count);
}

Result<ReadOutcome> RoutedReader::load() {
  records_.clear();
  NOROSHI_ASSIGN(const ReadOutcome outcome, reader_->load(chunk_));
  if (outcome != ReadOutcome::Entry) return outcome;
  NOROSHI_TRY(
      routes_->select(number_, head_.routing.route_table, head_.routing.marks, chunk_, selected_));
  groups_.clear();
  output_.group(chunk_, selected_, groups_);
  for (size_t i = 0; i < selected_.size(); ++i) {
    const Offset offset = chunk_.offset(selected_[i]);
    if (offset >= from_ && offset < to_) records_.push_back({offset, selected_[i], groups_[i]});
  }
  return outcome;
}

}  // namespace noroshi
