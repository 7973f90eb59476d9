// Retention: who still needs which segment, and the order in which deleting is safe.
//
// A segment is deleted when the low-water offset of every registered output is at or above its end
// *on stable storage*: first the checkpoints are synced, then the file is removed. Otherwise a
// power loss could bring back an old checkpoint that names records whose segment is gone, and
// delivered records would be counted as lost.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/log.h"
#include "base/mutex.h"
#include "journal/checkpoint.h"
#include "journal/segment.h"

namespace noroshi {

// Thread-safe. `files` and `segments` must outlive it.
class Retention {
 public:
  // `free_at_once`: a removed segment's bytes are given back even while a reader has it open
  // (memory).
  Retention(FileSystem& files, const Path& directory, const JournalId& id, SegmentList& segments,
            bool free_at_once)
      : files_(files),
        segments_(segments),
        free_at_once_(free_at_once),
        store_(files, directory, id) {}

  Result<LoadedCheckpoint> register_output(std::string_view identity, Offset oldest)
      EXCLUDES(mutex_);
  void unregister_output(std::string_view identity) EXCLUDES(mutex_);
  // Saves, then deletes what nobody needs any more.
  Status save(const Checkpoint& checkpoint, bool durable) EXCLUDES(mutex_);
  // Deletes what nobody needs any more; true if that was anything.
  Result<bool> delete_passed() EXCLUDES(mutex_);
  // True if some output is registered and all of them have passed `offset`.
  [[nodiscard]] bool all_passed(Offset offset) const EXCLUDES(mutex_);
  // Deletes the oldest sealed segment although it may be needed. False if it is the oldest no more:
  // every output has passed it, and its bytes are free as well.
  [[nodiscard]] bool drop(const SegmentPointer& oldest);

  // Gives `fresh`, a copy of the segment's file, its name; unless the segment was deleted
  // meanwhile: then the copy is removed, and NotFound the answer.
  Status replace_file(const Segment& segment, const Path& fresh) EXCLUDES(mutex_);

  Result<std::vector<LoadedCheckpoint>> orphans() EXCLUDES(mutex_);
  Status remove(std::string_view identity) EXCLUDES(mutex_);

 private:
  struct Hold {
    Offset low_water = {};
    Offset durable = {};  // what a power loss leaves of it
  };

  Result<bool> delete_passed_locked() REQUIRES(mutex_);
  void remove_file(const Segment& segment, bool free_at_once);

  FileSystem& files_;
  SegmentList& segments_;
  const bool free_at_once_;
  mutable Mutex mutex_;
  CheckpointStore store_ GUARDED_BY(mutex_);
  std::map<std::string, Hold, std::less<>> holds_ GUARDED_BY(mutex_);
  LogEpisode delete_episode_;
};

}  // namespace noroshi
