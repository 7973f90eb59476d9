// RoutedReader: the records of the journal that are one output's, read a second time: to count what
// is undelivered, to copy what is given up. Delivery itself has its own reader, cursor and groups.
//
//   RoutedReader reader(journal, routes, number, output, from, to);
//   reader.next()          as JournalReader's, without entries that hold nothing for the output
//   reader.count()         how many, from the entry's head alone, where that tells
//   reader.load()          reads the entry; then records() and chunk()
//
// Memory: one read buffer, one entry's records. One thread at a time; the output must not be in use
// by another, because it is what names the groups.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "journal/journal_reader.h"
#include "output/output.h"
#include "pipeline/router.h"

namespace noroshi {

class RoutedReader {
 public:
  struct Record {
    Offset offset = {};
    uint32_t index = 0;           // in chunk().records
    std::string_view group = {};  // as Output::group() says, unbounded
  };

  // Reads [from, to). `number`: the output's in `routes`. `journal` and `output` outlive this.
  RoutedReader(Journal& journal, std::shared_ptr<const RouteTable> routes, size_t number,
               Output& output, Offset from, Offset to);

  // The next entry of which the output may take records, or Lost (also of a range that others'
  // records were in). An Io error: the reader is where it was.
  [[nodiscard]] Result<ReadOutcome> next();
  [[nodiscard]] const LostRange& lost() const { return reader_->lost(); }  // after Lost

  // Of the entry that next() gave; views are valid until the next call of it.
  [[nodiscard]] const EntryHead& head() const { return head_; }
  // All of the output's records in it, those outside of the range as well. Nothing if another
  // configuration routed it: load() tells.
  [[nodiscard]] std::optional<uint32_t> count() const;
  // Entry, or Lost: it is damaged. Corrupt if its routing block is.
  [[nodiscard]] Result<ReadOutcome> load();
  // After Entry: the output's records within the range, ascending.
  [[nodiscard]] std::span<const Record> records() const { return records_; }
  [[nodiscard]] const ChunkView& chunk() const { return chunk_; }

 private:
  const std::shared_ptr<const RouteTable> routes_;
  const size_t number_;
  Output& output_;
  const Offset from_, to_;
  const std::unique_ptr<JournalReader> reader_;
  EntryHead head_;
  ChunkView chunk_;
  std::vector<uint32_t> selected_;
  std::vector<std::string_view> groups_;
  std::vector<Record> records_;
};

}  // namespace noroshi
