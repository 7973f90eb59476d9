#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "base/file_system.h"
#include "base/mutex.h"
#include "base/posix_file.h"

namespace noroshi {
namespace {

// Every file is a memfd: the kernel accounts its pages to the container like any other memory,
// reads and writes are the same system calls as for the disk, and a removed file is freed with its
// last user.
class MemoryFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const Path& path, OpenMode mode) override {
    const MutexLock lock(mutex_);
    auto found = files_.find(path);
    if (found == files_.end()) {
      if (mode == OpenMode::Read || mode == OpenMode::ReadWrite) {
        return fail_errno(ENOENT, "cannot open " + path.string());
      }
      UniqueFd fd(::memfd_create(path.filename().c_str(), MFD_CLOEXEC));
      if (!fd.valid()) return fail_errno(errno, "cannot create memory file " + path.string());
      found = files_.emplace(path, std::move(fd)).first;
    } else if (mode == OpenMode::Create && ::ftruncate(found->second.get(), 0) != 0) {
      return fail_errno(errno, "cannot empty " + path.string());
    }
    UniqueFd copy(::fcntl(found->second.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) return fail_errno(errno, "cannot open " + path.string());
    return std::make_unique<PosixFile>(std::move(copy), "memory:" + path.string());
  }

  Status create_directories(const Path&) override { return {}; }

  Result<std::vector<std::string>> list(const Path& directory) override {
    const MutexLock lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [path, fd] : files_) {
      if (path.parent_path() == directory) names.push_back(path.filename().string());
    }
    return names;
  }

  Status remove(const Path& path) override {
    const MutexLock lock(mutex_);
    if (files_.erase(path) == 0) return fail_errno(ENOENT, "cannot remove " + path.string());
    return {};
  }

  Status rename(const Path& from, const Path& to) override {
    const MutexLock lock(mutex_);
    auto node = files_.extract(from);
    if (node.empty()) return fail_errno(ENOENT, "cannot rename " + from.string());
    files_.erase(to);
    node.key() = to;
    files_.insert(std::move(node));
    return {};
  }

  Status sync_directory(const Path&) override { return {}; }

  // Nobody else can see these files, so there is nobody to lock out.
  Result<std::unique_ptr<FileLock>> lock(const Path&) override {
    return std::make_unique<FileLock>();
  }

  Result<uint64_t> free_bytes(const Path&) override { return UINT64_MAX; }

 private:
  Mutex mutex_;
  std::map<Path, UniqueFd> files_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<FileSystem> make_memory_file_system() {
  return std::make_unique<MemoryFileSystem>();
}

}  // namespace noroshi
