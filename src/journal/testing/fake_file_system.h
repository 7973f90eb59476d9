// FakeFileSystem: a disk for tests that crashes on demand and remembers only what it promised to.
//
//   FakeFileSystem disk(seed);
//   disk.crash_after(7);         // the 7th changing operation from now is done in part, then
//   nothing works …destroy what used it… disk.restart(Crash::PowerLoss);
//
// kill -9 keeps every byte written. A power loss keeps what was synced; of everything else each
// 512-byte sector, each file's length and each name is as before or as after, one by one at random:
// later writes may survive without earlier ones. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>

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
  // Like fail_after(1), but for the next sync of a file or directory only.
  void fail_next_sync(int error_number) EXCLUDES(mutex_);
  // All files together hold no more than this.
  void set_capacity(uint64_t bytes) EXCLUDES(mutex_);
  [[nodiscard]] uint64_t used_bytes() const EXCLUDES(mutex_);
  // Changing operations so far.
  [[nodiscard]] uint64_t operations() const EXCLUDES(mutex_);
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
  };
  using Names = std::map<Path, std::shared_ptr<Node>>;

  enum class Fate { Proceed, Torn };
  // Counts one changing operation; error: it fails without effect. Torn: do a part, then return
  // torn_error_.
  Result<Fate> begin(bool is_sync, bool is_write) REQUIRES(mutex_);
  uint64_t used_locked() const REQUIRES(mutex_);
  uint64_t pick(uint64_t most) REQUIRES(mutex_) { return random_() % (most + 1); }
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
  int fail_sync_errno_ GUARDED_BY(mutex_) = 0;
  int torn_errno_ GUARDED_BY(mutex_) = 0;
  bool crashed_ GUARDED_BY(mutex_) = false;
  uint64_t capacity_ GUARDED_BY(mutex_) = UINT64_MAX;
};

}  // namespace noroshi::testing
