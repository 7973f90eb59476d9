// Loaded before the C library (LD_PRELOAD): a disk that fails on command, without root and without
// a kernel that lets us break one. For files below $FAILING_DISK:
//
//   the file $FAILING_DISK_ORDERS/sync exists      fsync and fdatasync fail with EIO
//   …/drop    beside sync: the kernel throws away what was not synced before, and reads show it:
//             what was appended since the last fsync that succeeded becomes zeros
//   …/write   writes do a half of their work and fail with EIO
//   …/quota   as a user whose quota has ended: writes and new files fail with EDQUOT
//   …/readonly  as a file system remounted read-only: whatever would change it fails with EROFS
//
// Only what noroshi calls is here; what it calls else would get through and fail the test.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace {

bool ordered(const char* order) {
  const char* const orders = std::getenv("FAILING_DISK_ORDERS");
  return orders != nullptr && access((std::string(orders) + "/" + order).c_str(), F_OK) == 0;
}

bool is_ours(const std::string& path) {
  const char* const disk = std::getenv("FAILING_DISK");
  return disk != nullptr && path.rfind(std::string(disk) + "/", 0) == 0;
}

bool is_ours(int descriptor) {
  char path[4096];
  const ssize_t size =
      readlink(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), path, sizeof path);
  return size > 0 && is_ours(std::string(path, static_cast<size_t>(size)) + "/");
}

// True, with errno set, if the call must fail.
template <typename Where>
bool fails(const Where& where, const char* order, int error_number) {
  if (!ordered(order) || !is_ours(where)) return false;
  errno = error_number;
  return true;
}

template <typename Function>
Function* real(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// Sizes of files when they were last synced.
std::mutex synced_mutex;
std::map<std::pair<dev_t, ino_t>, off_t>& synced() {
  static auto* const sizes = new std::map<std::pair<dev_t, ino_t>, off_t>;
  return *sizes;
}

void note_synced(int descriptor) {
  struct stat status{};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return;
  const std::lock_guard lock(synced_mutex);
  synced()[{status.st_dev, status.st_ino}] = status.st_size;
}

void drop_unsynced(int descriptor) {
  struct stat status{};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return;
  const std::lock_guard lock(synced_mutex);
  const off_t from = synced()[{status.st_dev, status.st_ino}];
  const std::vector<char> zeros(static_cast<size_t>(std::max<off_t>(0, status.st_size - from)));
  const auto written = real(pwrite, "pwrite")(descriptor, zeros.data(), zeros.size(), from);
  (void)written;
}

int sync_with(int descriptor, int (*function)(int)) {
  if (fails(descriptor, "sync", EIO)) {
    if (ordered("drop")) drop_unsynced(descriptor);
    errno = EIO;
    return -1;
  }
  const int result = function(descriptor);
  if (result == 0 && is_ours(descriptor)) note_synced(descriptor);
  return result;
}

bool changes(int flags) { return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0; }

}  // namespace

extern "C" {

int fsync(int descriptor) { return sync_with(descriptor, real(fsync, "fsync")); }

int fdatasync(int descriptor) { return sync_with(descriptor, real(fdatasync, "fdatasync")); }

ssize_t write(int descriptor, const void* bytes, size_t size) {
  if (fails(descriptor, "readonly", EROFS) || fails(descriptor, "quota", EDQUOT) ||
      fails(descriptor, "write", EIO))
    return -1;
  return real(write, "write")(descriptor, bytes, size);
}

ssize_t pwritev(int descriptor, const iovec* pieces, int count, off_t position) {
  if (fails(descriptor, "readonly", EROFS) || fails(descriptor, "quota", EDQUOT)) return -1;
  if (fails(descriptor, "write", EIO)) {
    const auto half =
        real(pwrite, "pwrite")(descriptor, pieces[0].iov_base, pieces[0].iov_len / 2, position);
    (void)half;
    errno = EIO;
    return -1;
  }
  return real(pwritev, "pwritev")(descriptor, pieces, count, position);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t position) {
  if (fails(descriptor, "readonly", EROFS) || fails(descriptor, "quota", EDQUOT) ||
      fails(descriptor, "write", EIO))
    return -1;
  return real(pwrite, "pwrite")(descriptor, bytes, size, position);
}

int ftruncate(int descriptor, off_t size) noexcept {
  if (fails(descriptor, "readonly", EROFS)) return -1;
  return real(ftruncate, "ftruncate")(descriptor, size);
}

int rename(const char* from, const char* to) noexcept {
  if (fails(std::string(from), "readonly", EROFS)) return -1;
  return real(rename, "rename")(from, to);
}

int unlink(const char* path) noexcept {
  if (fails(std::string(path), "readonly", EROFS)) return -1;
  return real(unlink, "unlink")(path);
}

int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  if (changes(flags) && fails(std::string(path), "readonly", EROFS)) return -1;
  if ((flags & O_CREAT) != 0 && access(path, F_OK) != 0 &&
      fails(std::string(path), "quota", EDQUOT))
    return -1;
  return real(open, "open")(path, flags, mode);
}

}  // extern "C"
