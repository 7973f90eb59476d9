// Loaded before the C library (LD_PRELOAD): a disk that fails on command, without root and without
// a kernel that lets us break one. For files below $FAILING_DISK:
//
//   the file $FAILING_DISK_ORDERS/sync exists      fsync and fdatasync fail with EIO
//   the file $FAILING_DISK_ORDERS/readonly exists  as a file system remounted read-only: whatever
//                                                  would change it fails with EROFS
//
// Only what noroshi calls is here; what it calls else would get through and fail the test.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <string>

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

bool changes(int flags) { return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0; }

}  // namespace

extern "C" {

int fsync(int descriptor) {
  if (fails(descriptor, "sync", EIO)) return -1;
  return real(fsync, "fsync")(descriptor);
}

int fdatasync(int descriptor) {
  if (fails(descriptor, "sync", EIO)) return -1;
  return real(fdatasync, "fdatasync")(descriptor);
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  if (fails(descriptor, "readonly", EROFS)) return -1;
  return real(write, "write")(descriptor, bytes, size);
}

ssize_t pwritev(int descriptor, const iovec* pieces, int count, off_t position) {
  if (fails(descriptor, "readonly", EROFS)) return -1;
  return real(pwritev, "pwritev")(descriptor, pieces, count, position);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t position) {
  if (fails(descriptor, "readonly", EROFS)) return -1;
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
  return real(open, "open")(path, flags, mode);
}

}  // extern "C"
