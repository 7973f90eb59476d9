// FakeFileSystem: a disk for tests that crashes on demand and remembers only what it promised to.
//
//   FakeFileSystem disk(seed);
//   disk.crash_after(7);         // the 7th changing operation from now is done in part, then
//   nothing works …destroy what used it… disk.restart(Crash::PowerLoss);
//
// kill -9 keeps every byte written. A power loss keeps what was synced; of everything else each
// 512-byte sector, each file's length and each name is as before or as after, one by one at random:
// later writes may survive without earlier ones.
//
// A sync of a file that fails does to its unwritten sectors what kernels do, at random: they are
// written all the same, or stay to be written by the next sync, or are taken for written although
// they are not ("clean"): then no later sync writes them, a power loss takes them, and reads see
// them only until the cache drops them: at once, or when the process ends. Thread-safe.
#pragma once

#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"

namespace noroshi::testing {

enum class Crash { ProcessKilled, PowerLoss };

class FakeFileSystem final : public FileSystem {
 public:
  explicit FakeFileSystem(uint64_t seed) : random_(seed) {}

  // Operation n (1: the next) is torn and everything after it fails until restart().
  void crash_after(uint64_t operations) EXCLUDES(mutex_);
  [[nodiscard]] bool crashed() const EXCLUDES(mutex_);
  void restart(Crash crash) EXCLUDES(mutex_);
  // Operation n fails with this errno, once; a write is done in part.
  void fail_after(uint64_t operations, int error_number) EXCLUDES(mutex_);
  // The next `count` syncs of a file or directory fail; UINT64_MAX: until it is called with 0.
  void fail_syncs(uint64_t count, int error_number = EIO) EXCLUDES(mutex_);
  // Of files and of directories, so far.
  [[nodiscard]] uint64_t failed_syncs() const EXCLUDES(mutex_);
  // What failed syncs do to unwritten sectors from now on; at random if it is never called.
  enum class FailedSync { Writes, KeepsDirty, CallsClean, DropsFromCache, AnyOfThem };
  void set_failed_sync(FailedSync what) EXCLUDES(mutex_);
  // Whatever begins with this path neither fails nor crashes, nor is it counted.
  void spare(const Path& path) EXCLUDES(mutex_);
  // Reading any of these bytes fails with EIO, until the file of this name is another one.
  void make_unreadable(const Path& path, uint64_t from, uint64_t to) EXCLUDES(mutex_);
  // All files together hold no more than this.
  void set_capacity(uint64_t bytes) EXCLUDES(mutex_);
  [[nodiscard]] uint64_t used_bytes() const EXCLUDES(mutex_);
  // Changing operations so far.
  [[nodiscard]] uint64_t operations() const EXCLUDES(mutex_);
  // Of all files, also after a crash.
  [[nodiscard]] std::vector<std::string> names() const EXCLUDES(mutex_);
  // Direct access, to damage a file.
  [[nodiscard]] std::string contents(const Path& path) const EXCLUDES(mutex_);
  void set_contents(const Path& path, std::string bytes) EXCLUDES(mutex_);

  Result<std::unique_ptr<File>> open(const Path& path, OpenMode mode) override EXCLUDES(mutex_);
  Status create_directories(const Path&) override { return {}; }
  Result<std::vector<std::string>> list(const Path& directory) override EXCLUDES(mutex_);
  Status remove(const Path& path) override EXCLUDES(mutex_);
  Status rename(const Path& from, const Path& to) override EXCLUDES(mutex_);
  Status sync_directory(const Path& directory) override EXCLUDES(mutex_);
  Result<std::unique_ptr<FileLock>> lock(const Path& path) override EXCLUDES(mutex_);
  Result<uint64_t> free_bytes(const Path&) override EXCLUDES(mutex_);

 private:
  friend class FakeFile;
  friend class FakeLock;
  struct Node {
    std::string now = {};     // what reads see
    std::string synced = {};  // what a power loss leaves for sure
    // Sectors to be written by the next sync, and those that a failed one called clean: they are
    // in the cache, and nowhere else.
    std::set<uint64_t> dirty = {};
    std::set<uint64_t> only_cached = {};
    uint64_t unreadable_from = 0, unreadable_to = 0;

    void touch(uint64_t from, uint64_t to);  // bytes
    void write_back(uint64_t sector);
    void drop_from_cache(uint64_t sector);
    void set_length(uint64_t size);  // of `now`
  };
  using Names = std::map<Path, std::shared_ptr<Node>>;

  enum class Fate { Proceed, Torn };
  // Counts one changing operation; error: it fails without effect. Torn: do a part, then return
  // torn_error_.
  Result<Fate> begin(const Path& path, bool is_sync, bool is_write) REQUIRES(mutex_);
  uint64_t used_locked() const REQUIRES(mutex_);
  uint64_t pick(uint64_t most) REQUIRES(mutex_) { return random_() % (most + 1); }
  void fail_sync(Node& node) REQUIRES(mutex_);
  void fail_sync_of_names(const Path& directory) REQUIRES(mutex_);
  void lose_power(Node& node) REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::mt19937_64 random_ GUARDED_BY(mutex_);
  Names now_ GUARDED_BY(mutex_);
  Names synced_ GUARDED_BY(mutex_);
  std::set<Path> locks_ GUARDED_BY(mutex_);
  uint64_t epoch_ GUARDED_BY(mutex_) = 0;  // open files of an earlier one are dead
  uint64_t operations_ GUARDED_BY(mutex_) = 0;
  std::optional<uint64_t> crash_at_ GUARDED_BY(mutex_);
  std::optional<uint64_t> fail_at_ GUARDED_BY(mutex_);
  int fail_errno_ GUARDED_BY(mutex_) = 0;
  uint64_t syncs_to_fail_ GUARDED_BY(mutex_) = 0;
  uint64_t failed_syncs_ GUARDED_BY(mutex_) = 0;
  int fail_sync_errno_ GUARDED_BY(mutex_) = 0;
  std::optional<FailedSync> failed_sync_ GUARDED_BY(mutex_);
  std::string spared_ GUARDED_BY(mutex_);
  int torn_errno_ GUARDED_BY(mutex_) = 0;
  bool crashed_ GUARDED_BY(mutex_) = false;
  uint64_t capacity_ GUARDED_BY(mutex_) = UINT64_MAX;
};

}  // namespace noroshi::testing
