#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "base/check.h"
#include "base/file_system.h"
#include "base/posix_file.h"
#include "base/unique_fd.h"

namespace noroshi {

Result<size_t> PosixFile::read_at(uint64_t position, std::span<char> buffer) {
  size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t count = ::pread(fd_.get(), buffer.data() + done, buffer.size() - done,
                                  static_cast<off_t>(position + done));
    if (count == 0) break;
    if (count < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "cannot read " + name_ + " at " + std::to_string(position + done));
    }
    done += static_cast<size_t>(count);
  }
  return done;
}

Status PosixFile::write_at(uint64_t position, std::span<const std::string_view> pieces) {
  std::array<iovec, 16> vectors;
  CHECK(pieces.size() <= vectors.size(), "write_at takes 16 pieces at most");
  size_t count = 0;
  for (const std::string_view piece : pieces) {
    if (!piece.empty()) vectors[count++] = {const_cast<char*>(piece.data()), piece.size()};
  }
  iovec* next = vectors.data();
  while (count > 0) {
    const ssize_t written =
        ::pwritev(fd_.get(), next, static_cast<int>(count), static_cast<off_t>(position));
    if (written < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "cannot write " + name_ + " at " + std::to_string(position));
    }
    if (written == 0) return fail_errno(EIO, "cannot write " + name_);
    position += static_cast<uint64_t>(written);
    // A short write: disk nearly full, a signal, or more than 2 GiB. Go on with the rest.
    auto left = static_cast<size_t>(written);
    while (count > 0 && left >= next->iov_len) left -= next->iov_len, ++next, --count;
    if (count > 0)
      next->iov_base = static_cast<char*>(next->iov_base) + left, next->iov_len -= left;
  }
  return {};
}

Result<uint64_t> PosixFile::size() {
  struct stat status{};
  if (::fstat(fd_.get(), &status) != 0) return fail_errno(errno, "cannot stat " + name_);
  return static_cast<uint64_t>(status.st_size);
}

Status PosixFile::truncate(uint64_t size) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
    return fail_errno(errno, "cannot truncate " + name_);
  }
  return {};
}

Status PosixFile::sync() {
  if (::fdatasync(fd_.get()) != 0) return fail_errno(errno, "cannot sync " + name_);
  return {};
}

namespace {

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(UniqueFd fd) : fd_(std::move(fd)) {}

 private:
  UniqueFd fd_;  // closing it releases the flock
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const Path& path, OpenMode mode) override {
    // A directory may be a symbolic link (another disk, say); a file that is one was not made here,
    // and must not lead out of the directory.
    int flags = O_CLOEXEC | O_NOFOLLOW;
    switch (mode) {
      case OpenMode::Read:
        flags |= O_RDONLY;
        break;
      case OpenMode::ReadWrite:
        flags |= O_RDWR;
        break;
      case OpenMode::Create:
        flags |= O_RDWR | O_CREAT | O_TRUNC;
        break;
      case OpenMode::OpenOrCreate:
        flags |= O_RDWR | O_CREAT;
        break;
    }
    UniqueFd fd(::open(path.c_str(), flags, 0640));
    if (!fd.valid() && errno == ELOOP)
      return fail(ErrorCode::Denied, path.string() + " is a symbolic link, which is not followed");
    if (!fd.valid()) return fail_errno(errno, "cannot open " + path.string());
    return std::make_unique<PosixFile>(std::move(fd), path.string());
  }

  Status create_directories(const Path& directory) override {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return fail_errno(error.value(), "cannot create directory " + directory.string());
    return {};
  }

  Result<std::vector<std::string>> list(const Path& directory) override {
    std::error_code error;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entry(directory, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      std::error_code gone;  // an entry removed meanwhile is not an error
      if (entry->is_regular_file(gone)) names.push_back(entry->path().filename().string());
    }
    if (error) return fail_errno(error.value(), "cannot list " + directory.string());
    std::ranges::sort(names);
    return names;
  }

  Status remove(const Path& path) override {
    if (::unlink(path.c_str()) != 0) return fail_errno(errno, "cannot remove " + path.string());
    return {};
  }

  Status rename(const Path& from, const Path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return fail_errno(errno, "cannot rename " + from.string() + " to " + to.string());
    }
    return {};
  }

  Status sync_directory(const Path& directory) override {
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) return fail_errno(errno, "cannot open directory " + directory.string());
    if (::fsync(fd.get()) != 0)
      return fail_errno(errno, "cannot sync directory " + directory.string());
    return {};
  }

  Result<std::unique_ptr<FileLock>> lock(const Path& path) override {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (!fd.valid()) return fail_errno(errno, "cannot open " + path.string());
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return fail_errno(errno, "cannot lock " + path.string());
      char owner[32] = {};
      const ssize_t size = ::pread(fd.get(), owner, sizeof owner - 1, 0);
      std::string_view pid(owner, size > 0 ? static_cast<size_t>(size) : 0);
      pid = pid.substr(0, pid.find('\n'));
      return fail(ErrorCode::Unavailable,
                  path.string() + " is held by another process" +
                      (pid.empty() ? std::string() : " (pid " + std::string(pid) + ")"));
    }
    // For the next process's message only; the lock is the flock, so a failure here is harmless.
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) == 0 &&
        ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
      static_cast<void>(::ftruncate(fd.get(), 0) == 0);
    }
    return std::make_unique<PosixFileLock>(std::move(fd));
  }

  Result<uint64_t> free_bytes(const Path& directory) override {
    struct statvfs status{};
    if (::statvfs(directory.c_str(), &status) != 0) {
      return fail_errno(errno, "cannot ask for free space of " + directory.string());
    }
    return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
  }
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem* const files = new PosixFileSystem;  // never destroyed: used until exit
  return *files;
}

}  // namespace noroshi
