// SegmentReader: walks the entries of one segment file, over damage where there is any. Used by
// recovery, by JournalReader and by `noroshi journal`.
//
// Not thread-safe. Memory: one buffer of kReadAheadBytes, or of the largest entry for as long as it
// is needed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "journal/journal_format.h"

namespace noroshi {

inline constexpr uint32_t kReadAheadBytes = 256 << 10;
// When the last body was skipped unread: heads are small.
inline constexpr uint32_t kHeadReadAheadBytes = 4 << 10;

class SegmentReader {
 public:
  enum class Step {
    Entry,
    Gap,  // damage: the offsets gap_begin() .. expected() are missing, an entry follows
    End,  // no whole entry any more before the ends given
  };

  SegmentReader(std::unique_ptr<File> file, uint32_t salt, Offset first)
      : file_(std::move(file)), salt_(salt), expected_(first) {}

  // The next entry's head. Bytes from `end_position` on do not exist, nor do offsets from
  // `end_offset` on. The head's views stay valid until the next call of next().
  [[nodiscard]] Result<Step> next(uint64_t end_position, Offset end_offset, EntryHead& head);
  // The records of the entry next() gave, once. False: their CRC does not match; then it may be
  // called again after use().
  [[nodiscard]] Result<bool> load(ChunkView& chunk);
  // Goes on with a file that has the same bytes at the same positions. Heads given stay valid.
  void use(std::unique_ptr<File> file) {
    file_ = std::move(file);
    buffer_bytes_ = 0;
  }

  [[nodiscard]] Offset expected() const { return expected_; }
  [[nodiscard]] Offset gap_begin() const { return gap_begin_; }
  // Behind the last entry given.
  [[nodiscard]] uint64_t position() const { return position_; }
  // Where the entry next() gave begins.
  [[nodiscard]] uint64_t entry_position() const { return entry_position_; }
  [[nodiscard]] uint64_t entry_bytes() const { return layout_.entry_bytes; }

 private:
  Result<std::string_view> view(uint64_t position, uint64_t size, uint64_t end_position);
  Result<std::optional<EntryLayout>> entry_at(uint64_t position, uint64_t end_position,
                                              Offset end_offset);
  Result<std::optional<uint64_t>> find_entry(uint64_t position, uint64_t end_position,
                                             Offset end_offset);

  std::unique_ptr<File> file_;
  const uint32_t salt_;
  Offset expected_;
  Offset gap_begin_ = {};
  uint64_t position_ = kSegmentHeaderBytes;

  uint64_t entry_position_ = 0;
  uint64_t end_position_ = 0;  // as next() was told
  EntryLayout layout_ = {};    // of the entry next() gave
  std::string head_copy_;      // its tag, marks and receipts, which must survive load()
  std::vector<RecordEntry> records_;

  std::unique_ptr<char[]> buffer_;
  uint64_t capacity_ = 0;
  uint64_t buffer_position_ = 0;  // of buffer_[0] in the file
  uint64_t buffer_bytes_ = 0;
  uint32_t read_ahead_ = kReadAheadBytes;
  bool loaded_ = true;
};

}  // namespace noroshi
