#include "input/tail/offset_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/fingerprint.h"

namespace noroshi::tail {
namespace {

constexpr uint64_t kFileBytesMax = 4 << 20;  // beyond it (and twice what is live) it is rewritten
constexpr uint64_t kReadBytesMax = 64 << 20;

Status write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "cannot write " + path);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

}  // namespace

uint64_t head_fingerprint(std::string_view head) {
  Fingerprint fingerprint;
  fingerprint.add(head);
  return fingerprint.value();
}

Result<OffsetStore> OffsetStore::open(const std::string& path) {
  OffsetStore store;
  store.path_ = path;
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  store.file_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0640));
  if (!store.file_.valid()) return fail_errno(errno, "cannot open " + path);
  if (::flock(store.file_.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::Unavailable, path + " is in use by another input");
  }
  std::string bytes;
  struct stat status{};
  if (::fstat(store.file_.get(), &status) != 0) return fail_errno(errno, "cannot read " + path);
  bytes.resize(std::min<uint64_t>(static_cast<uint64_t>(status.st_size), kReadBytesMax));
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t count = ::pread(store.file_.get(), bytes.data() + have, bytes.size() - have,
                                  static_cast<off_t>(have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "cannot read " + path);
    if (count == 0) break;
    have += static_cast<size_t>(count);
  }
  bytes.resize(have);
  ReadOffsets read = read_offsets(bytes);
  store.had_former_run_ = read.had_header;
  store.entries_ = std::move(read.entries);
  NOROSHI_TRY(store.rewrite());
  return store;
}

// The same file, so that its lock stays: a new one is written beside it and takes its name, and is
// locked before.
Status OffsetStore::rewrite() {
  std::string all(kOffsetFileHeader);
  for (const auto& [id, offset] : entries_) append_position(all, id, offset);
  const std::string beside = path_ + ".new";
  UniqueFd fresh(::open(beside.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0640));
  if (!fresh.valid()) return fail_errno(errno, "cannot open " + beside);
  if (::flock(fresh.get(), LOCK_EX | LOCK_NB) != 0)
    return fail_errno(errno, "cannot lock " + beside);
  NOROSHI_TRY(write_all(fresh.get(), all, beside));
  if (::fdatasync(fresh.get()) != 0) return fail_errno(errno, "cannot sync " + beside);
  if (::rename(beside.c_str(), path_.c_str()) != 0)
    return fail_errno(errno, "cannot rename " + beside);
  file_ = std::move(fresh);
  file_bytes_ = all.size();
  return {};
}

const StoredOffset* OffsetStore::find(FileId id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

void OffsetStore::set(FileId id, StoredOffset offset) {
  entries_[id] = std::move(offset);
  changed_[id] = true;
}

void OffsetStore::forget(FileId id) {
  if (entries_.erase(id) != 0) changed_[id] = false;
}

Status OffsetStore::flush() {
  if (changed_.empty()) return {};
  if (path_.empty()) return changed_.clear(), Status();
  if (file_bytes_ > kFileBytesMax && file_bytes_ > 2 * entries_.size() * (kOffsetEntryHead + 256)) {
    NOROSHI_TRY(rewrite());
    changed_.clear();
    return {};
  }
  buffer_.clear();
  for (const auto& [id, present] : changed_) {
    if (present) {
      append_position(buffer_, id, entries_[id]);
    } else {
      append_forget(buffer_, id);
    }
  }
  if (const Status written = write_all(file_.get(), buffer_, path_); !written) {
    // A torn entry would hide what follows it.
    if (::ftruncate(file_.get(), static_cast<off_t>(file_bytes_)) != 0) return written;
    return written;
  }
  file_bytes_ += buffer_.size();
  changed_.clear();
  return {};
}

}  // namespace noroshi::tail
