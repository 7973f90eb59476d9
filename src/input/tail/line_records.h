// LineRecords: the bytes of files, as they are read, as records: cut into lines, of which the too
// long ones become what the options say, parsed or joined into messages where that is configured,
// and collected as one open chunk per tag.
//
// A chunk takes an ack along for every file, which tells how far it is stored then: up to the line
// that is not complete yet, or to the first one of a message that may go on. On the ingest thread.
// Memory: the open chunks (ChunkCollector), the joiner's messages; unfinished lines are
// TailedFile's.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/log.h"
#include "input/chunk_collector.h"
#include "input/single_source.h"
#include "input/tail/tail.h"
#include "input/tail/tailed_file.h"
#include "metrics/metrics.h"

namespace noroshi::tail {

class LineRecords final : private MultilineOutput {
 public:
  // All of it outlives this. `files`: those that are open; a message may end when its file is not
  // the one that is read.
  LineRecords(const TailOptions& options, const TailedFiles& files, InputMetrics& metrics,
              const Clock& clock, const std::string& log_name);

  // What was just read of `file`. When the chunks are full the rest is given back: unread().
  void take(TailedFile& file, std::string_view bytes);
  // What stands without a newline at the end of a file that nobody will write any more, and the
  // message it may belong to. True if there was anything.
  [[nodiscard]] bool take_last_line(TailedFile& file);

  // Messages that are still open become records: of one file, those whose time is over, all.
  void release(const TailedFile& file);
  void release_expired();
  void release_all();

  // What was taken, one chunk per tag, with acks. False: the sink is full, and calls again.
  [[nodiscard]] bool hand_on(SingleSource& source);

 private:
  void take_piece(TailedFile& file, std::string_view piece, bool whole);
  void add_line(TailedFile& file, std::string_view line);
  void finish_record(const TailedFile& file, Chunk& chunk, size_t begin, uint32_t pairs,
                     uint64_t position, Timestamp time);
  void take(MultilineMessage& message) override;
  // The joined lines' fields as a map; the number of pairs.
  uint32_t append_message(std::string_view record, std::string& body,
                          std::optional<Timestamp>& time);

  const TailOptions& options_;
  const TailedFiles& files_;
  InputMetrics& metrics_;
  const Clock& clock_;
  const std::string& log_name_;
  ChunkCollector collector_;
  std::set<FileId> touched_;       // files with something in the collector, or further on
  TailedFile* current_ = nullptr;  // being read
  LogEpisode log_long_;
};

}  // namespace noroshi::tail
