#include "input/tail/tailed_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

namespace noroshi::tail {

class TailedFile::Ack final : public PendingAck {
 public:
  Ack(std::weak_ptr<TailedFile> file, uint64_t generation, uint64_t end)
      : file_(std::move(file)), generation_(generation), end_(end) {}
  ~Ack() override {
    if (const auto file = file_.lock()) file->finish(generation_, end_, failed());
  }

 private:
  const std::weak_ptr<TailedFile> file_;
  const uint64_t generation_, end_;
};

Result<std::shared_ptr<TailedFile>> TailedFile::open(const std::string& path) {
  std::shared_ptr<TailedFile> file(new TailedFile());
  file->self_ = file;
  file->path_ = path;
  file->file_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file->file_.valid()) return fail_errno(errno, "cannot open " + path);
  struct stat status{};
  if (::fstat(file->file_.get(), &status) != 0) return fail_errno(errno, "cannot open " + path);
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::InvalidArgument, path + " is no regular file");
  }
  file->id_ = {status.st_dev, status.st_ino};
  file->stream = fmt::format("{}:{}", status.st_dev, status.st_ino);
  (void)file->look();
  return file;
}

std::string TailedFile::read_head(size_t bytes) const {
  std::string head(bytes, '\0');
  const ssize_t count = ::pread(file_.get(), head.data(), bytes, 0);
  head.resize(count < 0 ? 0 : static_cast<size_t>(count));
  return head;
}

bool TailedFile::begins_as(const StoredOffset& offset) {
  if (offset.head_bytes > size_ || offset.position > size_) return false;
  const std::string head = read_head(offset.head_bytes);
  return head.size() == offset.head_bytes && head_fingerprint(head) == offset.head_fingerprint;
}

bool TailedFile::look() {
  struct stat status{};
  if (::fstat(file_.get(), &status) != 0) return true;
  const uint64_t size = static_cast<uint64_t>(status.st_size);
  const bool written = size != size_ || Timestamp(Seconds(status.st_mtim.tv_sec) +
                                                  Nanoseconds(status.st_mtim.tv_nsec)) != mtime_;
  size_ = size;
  mtime_ = Timestamp(Seconds(status.st_mtim.tv_sec) + Nanoseconds(status.st_mtim.tv_nsec));
  deleted_ = status.st_nlink == 0;
  if (size_ < position_) return false;
  if (!written) return true;
  // Cut by copytruncate and already longer again? Then it begins with something else.
  std::string head = read_head(kHeadBytes);
  const bool same = head.starts_with(head_);
  if (head.size() > head_.size() || !same) head_ = std::move(head);
  return same;
}

void TailedFile::start_again() {
  ++generation_;
  on_their_way_.clear();
  stuck_ = false;
  position_ = stored_ = line_begin = 0;
  line.clear();
  skipping = false;
  head_ = read_head(kHeadBytes);
}

Result<size_t> TailedFile::read(char* buffer, size_t bytes) {
  for (;;) {
    const ssize_t count = ::pread(file_.get(), buffer, bytes, static_cast<off_t>(position_));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "cannot read " + path_);
    position_ += static_cast<uint64_t>(count);
    if (head_.size() < kHeadBytes && count > 0) head_ = read_head(kHeadBytes);
    return static_cast<size_t>(count);
  }
}

std::shared_ptr<PendingAck> TailedFile::begin_chunk(uint64_t end) {
  on_their_way_.push_back({end, false});
  return std::make_shared<Ack>(self_, generation_, end);
}

// Filters may hold a chunk back while a later one is stored: only what has no gap before it counts.
void TailedFile::finish(uint64_t generation, uint64_t end, bool failed) {
  if (generation != generation_) return;
  if (failed) stuck_ = true;
  if (stuck_) return;
  for (OnTheirWay& each : on_their_way_) {
    if (each.end == end && !each.stored) {
      each.stored = true;
      break;
    }
  }
  const uint64_t before = stored_;
  while (!on_their_way_.empty() && on_their_way_.front().stored) {
    stored_ = on_their_way_.front().end;
    on_their_way_.pop_front();
  }
  if (stored_ != before && stored_moved) stored_moved(*this);
}

StoredOffset TailedFile::stored_offset() const {
  return {.position = stored_,
          .head_bytes = static_cast<uint16_t>(head_.size()),
          .head_fingerprint = head_fingerprint(head_),
          .path = path_};
}

}  // namespace noroshi::tail
