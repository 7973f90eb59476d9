// TailedFile: one open file: where it is read, what is left of its last line, and how much of it is
// stored in the journal. Only mechanics; TailInput decides when. On the ingest thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "input/tail/offset_store.h"
#include "record/chunk.h"

namespace noroshi::tail {

class TailedFile {
 public:
  [[nodiscard]] static Result<std::shared_ptr<TailedFile>> open(const std::string& path);

  [[nodiscard]] FileId id() const { return id_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] uint64_t size() const { return size_; }  // at the last look
  [[nodiscard]] bool deleted() const { return deleted_; }
  [[nodiscard]] uint64_t position() const { return position_; }
  void set_position(uint64_t position) { position_ = stored_ = position; }

  // True if the first bytes of the file are those that were stored.
  [[nodiscard]] bool begins_as(const StoredOffset& offset);

  // Looks at the file again. False: it is not the file it was (cut, or cut and written again): it
  // must be read from its start.
  [[nodiscard]] bool look();
  void start_again();
  [[nodiscard]] bool has_more() const { return size_ > position_; }
  // What was read beyond `position` is read again.
  void unread(uint64_t position) { position_ = position; }

  // Reads the next bytes into `buffer`: 0 at the end of the file.
  [[nodiscard]] Result<size_t> read(char* buffer, size_t bytes);

  // The unfinished line, and where it begins. While `skipping` it is too long and left out.
  std::string line;
  uint64_t line_begin = 0;
  bool skipping = false;

  std::string tag;
  std::string stream;                        // for multiline joining: unique
  std::optional<Monotonic> rotated_at = {};  // its name belongs to another file, or to none
  bool queued = false;                       // has its turn coming
  int watch = -1;                            // inotify

  // Records up to `end` are on their way: a chunk holds the ack until they are stored.
  [[nodiscard]] std::shared_ptr<PendingAck> begin_chunk(uint64_t end);
  // The end of the last begin_chunk().
  [[nodiscard]] uint64_t announced() const {
    return on_their_way_.empty() ? stored_ : on_their_way_.back().end;
  }
  [[nodiscard]] bool waits_for_journal() const { return !on_their_way_.empty(); }
  [[nodiscard]] StoredOffset stored_offset() const;
  // What TailInput wants to know when stored_offset() has moved.
  std::function<void(TailedFile&)> stored_moved = {};

 private:
  struct OnTheirWay {
    uint64_t end = 0;
    bool stored = false;
  };
  class Ack;

  TailedFile() = default;
  void finish(uint64_t generation, uint64_t end, bool failed);
  [[nodiscard]] std::string read_head(size_t bytes) const;

  std::string path_;
  UniqueFd file_;
  FileId id_;
  uint64_t size_ = 0;
  Timestamp mtime_{};
  bool deleted_ = false;
  uint64_t position_ = 0;  // of the next read
  std::string head_;       // first bytes, kHeadBytes at most
  uint64_t stored_ = 0;    // everything before it is
  std::deque<OnTheirWay> on_their_way_;
  uint64_t generation_ = 0;  // start_again() leaves the acks of before behind
  bool stuck_ = false;       // an ack failed: nothing behind it counts as stored
  std::weak_ptr<TailedFile> self_;
};

// Those that one input has open.
using TailedFiles = std::map<FileId, std::shared_ptr<TailedFile>>;

}  // namespace noroshi::tail
