// FileSystem: the few file operations durable code needs, behind an interface so that tests can
// inject crashes, torn writes and full disks. Three implementations: the real disk, memory (memfd
// files that vanish with the process), and journal/testing/fake_file_system.h.
//
// Thread-safe. A File may be read by several threads while one writes, and stays usable after its
// name is removed. All calls block; errors carry the path and the system's words.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace noroshi {

using Path = std::filesystem::path;

class File {
 public:
  virtual ~File() = default;
  // Reads at `position` into `buffer`; the count is short only at the end of the file.
  [[nodiscard]] virtual Result<size_t> read_at(uint64_t position, std::span<char> buffer) = 0;
  // Writes all pieces, one after the other, at `position` (one pwritev where possible; 16 pieces at
  // most). After an error any prefix may have been written. Exhausted: no space.
  [[nodiscard]] virtual Status write_at(uint64_t position,
                                        std::span<const std::string_view> pieces) = 0;
  [[nodiscard]] virtual Result<uint64_t> size() = 0;
  [[nodiscard]] virtual Status truncate(uint64_t size) = 0;
  // Data and size are on stable storage afterwards (fdatasync). The name needs sync_directory().
  // After a failure the unsynced bytes must be taken for lost: a second call may "succeed" without
  // them.
  [[nodiscard]] virtual Status sync() = 0;
};

enum class OpenMode {
  Read,       // NotFound if it does not exist
  ReadWrite,  // NotFound if it does not exist
  Create,     // read and write; made empty if it exists
  OpenOrCreate,
};

// Held until destroyed (or until the process ends, however it ends).
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const Path& path, OpenMode mode) = 0;
  [[nodiscard]] virtual Status create_directories(const Path& directory) = 0;
  // Names (not paths) of the regular files in `directory`, sorted.
  [[nodiscard]] virtual Result<std::vector<std::string>> list(const Path& directory) = 0;
  [[nodiscard]] virtual Status remove(const Path& path) = 0;
  [[nodiscard]] virtual Status rename(const Path& from, const Path& to) = 0;
  // Creations, removals and renames in `directory` are on stable storage afterwards.
  [[nodiscard]] virtual Status sync_directory(const Path& directory) = 0;
  // Exclusive between processes. Unavailable, naming the owner's pid, if another process holds it.
  [[nodiscard]] virtual Result<std::unique_ptr<FileLock>> lock(const Path& path) = 0;
  // Bytes an unprivileged process can still write there.
  [[nodiscard]] virtual Result<uint64_t> free_bytes(const Path& directory) = 0;
};

// The real disk. Lives forever.
[[nodiscard]] FileSystem& posix_file_system();

// Files in anonymous memory; directories are only prefixes; sync does nothing. Its files stay alive
// until removed and closed, or until the FileSystem is destroyed.
[[nodiscard]] std::unique_ptr<FileSystem> make_memory_file_system();

}  // namespace noroshi
