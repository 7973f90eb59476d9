// OffsetStore: how far each file of one tail input is stored in the journal, kept in a file beside
// it (offset_format.h). A torn entry at the end is cut off: the one before it counts, and its lines
// are read again.
//
// An entry is one write(2) without fsync: it survives the death of the process, like the journal's
// records. On the ingest thread. The file is locked: two inputs must not share one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "input/tail/offset_format.h"

namespace noroshi::tail {

// How much of a file's beginning says that it is still the same file.
inline constexpr size_t kHeadBytes = 256;

[[nodiscard]] uint64_t head_fingerprint(std::string_view head);

class OffsetStore {
 public:
  // In memory only.
  OffsetStore() = default;
  // Opens or makes `path` and reads it; rewritten compactly. Unavailable if another process or
  // input has it. Entries that are broken are left out.
  [[nodiscard]] static Result<OffsetStore> open(const std::string& path);

  // True if a former run left the file: then a file it does not know is new since.
  [[nodiscard]] bool had_former_run() const { return had_former_run_; }
  [[nodiscard]] const StoredOffsets& entries() const { return entries_; }
  [[nodiscard]] const StoredOffset* find(FileId id) const;

  void set(FileId id, StoredOffset offset);
  void forget(FileId id);
  // Writes what was set and forgotten since. On error everything stays to be written again.
  [[nodiscard]] Status flush();

 private:
  [[nodiscard]] Status rewrite();

  std::string path_;  // empty: memory only
  UniqueFd file_;
  uint64_t file_bytes_ = 0;
  bool had_former_run_ = false;
  StoredOffsets entries_;
  std::map<FileId, bool> changed_;  // false: forgotten
  std::string buffer_;
};

}  // namespace noroshi::tail
