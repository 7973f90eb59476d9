// Checkpoint: what an output must remember over a restart. One file per output in the journal
// directory, written in place into one of three slots, so a save costs one pwrite and a damaged one
// falls back to the save before it. README.md has the bytes.
//
// Saving goes through Journal::save_checkpoint, which also moves retention; CheckpointStore is the
// file handling below it and what `noroshi journal` reads with.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/offset.h"
#include "base/result.h"
#include "journal/journal_id.h"

namespace noroshi {

inline constexpr uint32_t kCheckpointGroupsMax = 200;
inline constexpr uint32_t kCheckpointKeyBytesMax = 1024;  // also of the identity
inline constexpr uint32_t kCheckpointCountersMax = 32;
inline constexpr uint32_t kCheckpointCounterNameBytesMax = 64;

struct Checkpoint {
  // Records of an open group below `delivered` are done, although `low_water` may be lower.
  struct Group {
    std::string key = {};
    Offset delivered = {};
    friend bool operator==(const Group&, const Group&) = default;
  };
  struct SavedCounter {
    std::string name = {};
    uint64_t value = 0;
    friend bool operator==(const SavedCounter&, const SavedCounter&) = default;
  };
  std::string identity = {};  // alias, else plugin and destination
  Offset low_water = {};      // every record below is delivered, dropped or not for this output
  std::vector<Group> groups = {};
  std::vector<SavedCounter> counters = {};

  // The highest offset it names.
  [[nodiscard]] Offset highest() const;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

enum class CheckpointOrigin {
  New,      // there was none: low_water is the oldest retained record
  Saved,    // as saved last
  Earlier,  // the last save was damaged (power loss, bit rot): an earlier one; records may be
            // delivered again
  Damaged,  // no save of it is readable, or it belongs to another journal: as New, and logged
};

struct LoadedCheckpoint {
  Checkpoint checkpoint = {};
  CheckpointOrigin origin = CheckpointOrigin::New;
  Path path = {};
};

// Not thread-safe (Journal locks). `files` must outlive it.
inline constexpr std::string_view kUntrustedCheckpointPrefix = "untrusted-";  // an empty file

class CheckpointStore {
 public:
  CheckpointStore(FileSystem& files, Path directory, JournalId journal)
      : files_(files), directory_(std::move(directory)), journal_(journal) {}

  // Every checkpoint of the directory, sorted by identity, damaged ones too (their identity is then
  // the file's name). Reading only.
  [[nodiscard]] Result<std::vector<LoadedCheckpoint>> load_all();
  [[nodiscard]] Result<LoadedCheckpoint> load(std::string_view identity);
  // InvalidArgument if it is over the limits above.
  [[nodiscard]] Status save(const Checkpoint& checkpoint);
  // The last save of `identity` is on stable storage afterwards. After a failure it is written
  // again by the next call, into a new file: syncing the old one again would prove nothing.
  [[nodiscard]] Status sync(std::string_view identity);
  // What a process left that was killed between a failed sync and the writing again: its successor
  // reads it from the same cache, and writes it again first. Ok if there is nothing to do.
  [[nodiscard]] Status repair(std::string_view identity);
  [[nodiscard]] Status remove(std::string_view identity);

 private:
  struct Slots;  // an open checkpoint file: which slot is newest, which is durable
  Result<LoadedCheckpoint> read(const std::string& file_name, Slots* slots);
  Result<Slots*> slots(std::string_view identity);
  Status write(Slots& slots, std::string bytes);
  Status replace(std::string_view identity, Slots& slots, std::string bytes);
  void distrust(std::string_view identity, Slots& slots);
  Status save_again(std::string_view identity, Slots& slots);

  FileSystem& files_;
  const Path directory_;
  const JournalId journal_;
  std::map<std::string, std::shared_ptr<Slots>, std::less<>> open_ = {};
};

}  // namespace noroshi
