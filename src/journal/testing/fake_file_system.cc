#include "journal/testing/fake_file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace noroshi::testing {
namespace {

constexpr uint64_t kSectorBytes = 512;

}  // namespace

class FakeFile final : public File {
 public:
  FakeFile(FakeFileSystem& disk, std::shared_ptr<FakeFileSystem::Node> node, uint64_t epoch)
      : disk_(disk), node_(std::move(node)), epoch_(epoch) {}

  Result<size_t> read_at(uint64_t position, std::span<char> buffer) override {
    const MutexLock lock(disk_.mutex_);
    NOROSHI_TRY(alive());
    if (position >= node_->now.size()) return size_t{0};
    const size_t count = std::min<size_t>(buffer.size(), node_->now.size() - position);
    std::memcpy(buffer.data(), node_->now.data() + position, count);
    return count;
  }

  Status write_at(uint64_t position, std::span<const std::string_view> pieces) override {
    const MutexLock lock(disk_.mutex_);
    NOROSHI_TRY(alive());
    std::string bytes;
    for (const std::string_view piece : pieces) bytes += piece;
    const auto fate = disk_.begin(false, true);
    if (!fate) return std::unexpected(fate.error());
    bool torn = *fate == FakeFileSystem::Fate::Torn;
    int error = disk_.torn_errno_;
    if (torn) bytes.resize(disk_.pick(bytes.size()));
    const uint64_t end = position + bytes.size();
    const uint64_t growth = end > node_->now.size() ? end - node_->now.size() : 0;
    const uint64_t used = disk_.used_locked();
    const uint64_t room = disk_.capacity_ > used ? disk_.capacity_ - used : 0;
    if (growth > room) {
      bytes.resize(bytes.size() - std::min<uint64_t>(growth - room, bytes.size()));
      if (!torn) error = ENOSPC;
      torn = true;
    }
    if (!bytes.empty()) {
      if (position + bytes.size() > node_->now.size()) node_->now.resize(position + bytes.size());
      node_->now.replace(position, bytes.size(), bytes);
    }
    if (torn) return fail_errno(error, "fake write");
    return {};
  }

  Result<uint64_t> size() override {
    const MutexLock lock(disk_.mutex_);
    NOROSHI_TRY(alive());
    return node_->now.size();
  }

  Status truncate(uint64_t size) override {
    const MutexLock lock(disk_.mutex_);
    NOROSHI_TRY(alive());
    const auto fate = disk_.begin(false, false);
    if (!fate) return std::unexpected(fate.error());
    node_->now.resize(size);
    return {};
  }

  Status sync() override {
    const MutexLock lock(disk_.mutex_);
    NOROSHI_TRY(alive());
    const auto fate = disk_.begin(true, false);
    if (!fate) return std::unexpected(fate.error());
    node_->synced = node_->now;
    return {};
  }

 private:
  Status alive() const NO_THREAD_SAFETY_ANALYSIS {
    if (disk_.crashed_ || epoch_ != disk_.epoch_)
      return fail(ErrorCode::Io, "the fake disk crashed");
    return {};
  }

  FakeFileSystem& disk_;
  const std::shared_ptr<FakeFileSystem::Node> node_;
  const uint64_t epoch_;
};

class FakeLock final : public FileLock {
 public:
  FakeLock(FakeFileSystem& disk, Path path, uint64_t epoch)
      : disk_(disk), path_(std::move(path)), epoch_(epoch) {}
  ~FakeLock() override {
    const MutexLock lock(disk_.mutex_);
    if (epoch_ == disk_.epoch_) disk_.locks_.erase(path_);
  }

 private:
  FakeFileSystem& disk_;
  const Path path_;
  const uint64_t epoch_;
};

void FakeFileSystem::crash_after(uint64_t operations) {
  const MutexLock lock(mutex_);
  crash_at_ = operations_ + operations;
}

bool FakeFileSystem::crashed() const {
  const MutexLock lock(mutex_);
  return crashed_;
}

void FakeFileSystem::fail_after(uint64_t operations, int error_number) {
  const MutexLock lock(mutex_);
  fail_at_ = operations_ + operations;
  fail_errno_ = error_number;
}

void FakeFileSystem::fail_next_sync(int error_number) {
  const MutexLock lock(mutex_);
  fail_sync_errno_ = error_number;
}

void FakeFileSystem::set_capacity(uint64_t bytes) {
  const MutexLock lock(mutex_);
  capacity_ = bytes;
}

uint64_t FakeFileSystem::used_locked() const {
  uint64_t bytes = 0;
  for (const auto& [path, node] : now_) bytes += node->now.size();
  return bytes;
}

uint64_t FakeFileSystem::used_bytes() const {
  const MutexLock lock(mutex_);
  return used_locked();
}

uint64_t FakeFileSystem::operations() const {
  const MutexLock lock(mutex_);
  return operations_;
}

std::string FakeFileSystem::contents(const Path& path) const {
  const MutexLock lock(mutex_);
  const auto found = now_.find(path);
  return found == now_.end() ? std::string() : found->second->now;
}

void FakeFileSystem::set_contents(const Path& path, std::string bytes) {
  const MutexLock lock(mutex_);
  auto& node = now_[path];
  if (!node) node = std::make_shared<Node>();
  node->now = node->synced = std::move(bytes);
  synced_[path] = node;
}

Result<FakeFileSystem::Fate> FakeFileSystem::begin(bool is_sync, bool is_write) {
  ++operations_;
  if (crashed_) return fail(ErrorCode::Io, "the fake disk crashed");
  if (crash_at_ && operations_ >= *crash_at_) {
    crashed_ = true;
    torn_errno_ = EIO;
    if (is_write) return Fate::Torn;
    return fail(ErrorCode::Io, "the fake disk crashed");
  }
  if (is_sync && fail_sync_errno_ != 0) {
    return fail_errno(std::exchange(fail_sync_errno_, 0), "fake sync");
  }
  if (fail_at_ && operations_ >= *fail_at_) {
    fail_at_.reset();
    torn_errno_ = fail_errno_;
    if (is_write) return Fate::Torn;
    return fail_errno(fail_errno_, "fake operation");
  }
  return Fate::Proceed;
}

void FakeFileSystem::lose_power(Node& node) {
  const uint64_t least = std::min(node.now.size(), node.synced.size());
  const uint64_t most = std::max(node.now.size(), node.synced.size());
  std::string left;
  // The length, too, is old, new or in between.
  left.resize(least + pick(most - least));
  for (uint64_t sector = 0; sector < left.size(); sector += kSectorBytes) {
    const std::string& source = pick(1) == 0 ? node.synced : node.now;
    const uint64_t size = std::min<uint64_t>(kSectorBytes, left.size() - sector);
    if (sector < source.size()) {
      const uint64_t count = std::min<uint64_t>(size, source.size() - sector);
      left.replace(sector, count, source, sector, count);
    }
  }
  if (node.now == node.synced) left = node.now;
  node.now = node.synced = std::move(left);
}

void FakeFileSystem::restart(Crash crash) {
  const MutexLock lock(mutex_);
  ++epoch_;
  crashed_ = false;
  crash_at_.reset();
  fail_at_.reset();
  fail_sync_errno_ = 0;
  locks_.clear();
  if (crash == Crash::ProcessKilled) return;
  Names left;
  std::set<Path> paths;
  for (const auto& [path, node] : now_) paths.insert(path);
  for (const auto& [path, node] : synced_) paths.insert(path);
  for (const Path& path : paths) {
    const Names& source = pick(1) == 0 ? synced_ : now_;
    if (const auto found = source.find(path); found != source.end()) left[path] = found->second;
  }
  std::set<Node*> done;
  for (auto& [path, node] : left) {
    if (done.insert(node.get()).second) lose_power(*node);
  }
  now_ = left;
  synced_ = std::move(left);
}

Result<std::unique_ptr<File>> FakeFileSystem::open(const Path& path, OpenMode mode) {
  const MutexLock lock(mutex_);
  if (crashed_) return fail(ErrorCode::Io, "the fake disk crashed");
  auto found = now_.find(path);
  if (found == now_.end()) {
    if (mode == OpenMode::Read || mode == OpenMode::ReadWrite)
      return fail_errno(ENOENT, path.string());
    const auto fate = begin(false, false);
    if (!fate) return std::unexpected(fate.error());
    found = now_.emplace(path, std::make_shared<Node>()).first;
  } else if (mode == OpenMode::Create) {
    const auto fate = begin(false, false);
    if (!fate) return std::unexpected(fate.error());
    found->second->now.clear();
  }
  return std::make_unique<FakeFile>(*this, found->second, epoch_);
}

Result<std::vector<std::string>> FakeFileSystem::list(const Path& directory) {
  const MutexLock lock(mutex_);
  if (crashed_) return fail(ErrorCode::Io, "the fake disk crashed");
  std::vector<std::string> names;
  for (const auto& [path, node] : now_) {
    if (path.parent_path() == directory) names.push_back(path.filename().string());
  }
  std::ranges::sort(names);
  return names;
}

Status FakeFileSystem::remove(const Path& path) {
  const MutexLock lock(mutex_);
  const auto fate = begin(false, false);
  if (!fate) return std::unexpected(fate.error());
  if (now_.erase(path) == 0) return fail_errno(ENOENT, path.string());
  return {};
}

Status FakeFileSystem::rename(const Path& from, const Path& to) {
  const MutexLock lock(mutex_);
  const auto fate = begin(false, false);
  if (!fate) return std::unexpected(fate.error());
  const auto found = now_.find(from);
  if (found == now_.end()) return fail_errno(ENOENT, from.string());
  now_[to] = found->second;
  now_.erase(from);
  return {};
}

Status FakeFileSystem::sync_directory(const Path& directory) {
  const MutexLock lock(mutex_);
  const auto fate = begin(true, false);
  if (!fate) return std::unexpected(fate.error());
  std::erase_if(synced_, [&](const auto& name) { return name.first.parent_path() == directory; });
  for (const auto& [path, node] : now_) {
    if (path.parent_path() == directory) synced_[path] = node;
  }
  return {};
}

Result<std::unique_ptr<FileLock>> FakeFileSystem::lock(const Path& path) {
  const MutexLock lock(mutex_);
  if (crashed_) return fail(ErrorCode::Io, "the fake disk crashed");
  if (!locks_.insert(path).second) {
    return fail(ErrorCode::Unavailable, path.string() + " is held by another process (pid 1)");
  }
  return std::make_unique<FakeLock>(*this, path, epoch_);
}

Result<uint64_t> FakeFileSystem::free_bytes(const Path&) {
  const MutexLock lock(mutex_);
  const uint64_t used = used_locked();
  return capacity_ > used ? capacity_ - used : 0;
}

}  // namespace noroshi::testing
