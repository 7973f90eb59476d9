#include "output/s3/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace noroshi {
namespace {

constexpr uint64_t kLearnedBytesMin = 1 << 20;

// A file without a name: it is gone when its descriptor is.
Result<UniqueFd> open_unnamed(const std::filesystem::path& directory) {
  UniqueFd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.valid()) return file;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
    return fail_errno(errno, "cannot make a spool file in " + directory.string());
  }
  std::string name = (directory / "spool-XXXXXX").string();
  file.reset(::mkostemp(name.data(), O_CLOEXEC));
  if (!file.valid()) return fail_errno(errno, "cannot make a spool file in " + directory.string());
  ::unlink(name.c_str());
  return file;
}

}  // namespace

Spool::~Spool() { space_->used_ -= size_; }

Status Spool::append(std::string_view bytes) {
  uint64_t at = size_;
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      auto error = fail_errno(written < 0 ? errno : ENOSPC, "cannot write to the spool");
      if (error.error().code == ErrorCode::Exhausted) space_->note_disk_full(size_);
      return error;
    }
    at += static_cast<uint64_t>(written);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  space_->used_ += at - size_;
  size_ = at;
  return {};
}

Status Spool::reserve(uint64_t bytes) {
  if (space_->in_memory()) return {};
  int result = 0;
  do {
    result = ::fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(size_),
                         static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return {};
  auto error = fail_errno(errno, "no room for the spool in " + space_->directory().string());
  if (error.error().code == ErrorCode::Exhausted) space_->note_disk_full(size_);
  return error;
}

Status SpoolSpace::prepare() {
  if (directory_.empty()) return {};
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  Status status;
  if (error) {
    status = fail_errno(error.value(), "cannot make " + directory_.string());
  } else if (const Result<UniqueFd> file = open_unnamed(directory_); !file) {
    status = std::unexpected(file.error());
  }
  if (!status) directory_.clear();
  return status;
}

Result<std::unique_ptr<Spool>> SpoolSpace::open() {
  if (in_memory()) {
    UniqueFd memory(::memfd_create("noroshi-s3-spool", MFD_CLOEXEC));
    if (!memory.valid()) return fail_errno(errno, "cannot make a spool in memory");
    return std::make_unique<Spool>(std::move(memory), *this);
  }
  NOROSHI_ASSIGN(UniqueFd file, open_unnamed(directory_));
  return std::make_unique<Spool>(std::move(file), *this);
}

uint64_t SpoolSpace::bytes_max() const {
  if (in_memory()) return kMemoryBytesMax;
  return disk_bytes_max_ == 0 ? UINT64_MAX : disk_bytes_max_;
}

uint64_t SpoolSpace::batch_bytes_max() const {
  return std::min(learned_bytes_max_, in_memory() ? kMemoryBytesMax / 4 : bytes_max());
}

void SpoolSpace::note_disk_full(uint64_t spool_bytes) {
  learned_bytes_max_ = std::max(kLearnedBytesMin, spool_bytes / 2);
}

void SpoolSpace::note_delivered() {
  const uint64_t more = learned_bytes_max_ / 4;
  learned_bytes_max_ =
      learned_bytes_max_ > UINT64_MAX - more ? UINT64_MAX : learned_bytes_max_ + more;
}

}  // namespace noroshi
