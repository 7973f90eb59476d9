#include "journal/testing/fake_file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace noroshi::testing {
namespace {

constexpr uint64_t kSectorBytes = 512;

// One sector of `from`, put into `to`; what is behind the end of `from` is zeros.
void copy_sector(const std::string& from, std::string& to, uint64_t sector) {
  const uint64_t begin = sector * kSectorBytes;
  if (begin >= to.size()) return;
  const uint64_t size = std::min<uint64_t>(kSectorBytes, to.size() - begin);
  std::string bytes = begin < from.size() ? from.substr(begin, size) : std::string();
  bytes.resize(size);
  to.replace(begin, size, bytes);
}

}  // namespace

void FakeFileSystem::Node::touch(uint64_t from, uint64_t to) {
  if (from >= to) return;
  for (uint64_t sector = from / kSectorBytes; sector <= (to - 1) / kSectorBytes; ++sector) {
    dirty.insert(sector);
    only_cached.erase(sector);
  }
}

void FakeFileSystem::Node::write_back(uint64_t sector) {
  const uint64_t end = std::min<uint64_t>((sector + 1) * kSectorBytes, now.size());
  if (synced.size() < end) synced.resize(end);
  copy_sector(now, synced, sector);
}

void FakeFileSystem::Node::drop_from_cache(uint64_t sector) { copy_sector(synced, now, sector); }

void FakeFileSystem::Node::set_length(uint64_t size) {
  const uint64_t before = now.size();
  now.resize(size);
  touch(std::min(before, size) / kSectorBytes * kSectorBytes, std::max(before, size));
  const uint64_t sectors = (size + kSectorBytes - 1) / kSectorBytes;
  dirty.erase(dirty.lower_bound(sectors), dirty.end());
  only_cached.erase(only_cached.lower_bound(sectors), only_cached.end());
}

class FakeFile final : public File {
 public:
  FakeFile(FakeFileSystem& disk, Path path, std::shared_ptr<FakeFileSystem::Node> node,
           uint64_t epoch)
      : disk_(disk), path_(std::move(path)), node_(std::move(node)), epoch_(epoch) {}

  Result<size_t> read_at(uint64_t position, std::span<char> buffer) override {
    const MutexLock lock(disk_.mutex_);
    NOROSHI_TRY(alive());
    if (position >= node_->now.size()) return size_t{0};
    const size_t count = std::min<size_t>(buffer.size(), node_->now.size() - position);
    if (position < node_->unreadable_to && position + count > node_->unreadable_from)
      return fail_errno(EIO, "fake read");
    std::memcpy(buffer.data(), node_->now.data() + position, count);
    return count;
  }

  Status write_at(uint64_t position, std::span<const std::string_view> pieces) override {
    const MutexLock lock(disk_.mutex_);
    NOROSHI_TRY(alive());
    std::string bytes;
    for (const std::string_view piece : pieces) bytes += piece;
    const auto fate = disk_.begin(path_, false, true);
    if (!fate) return std::unexpected(fate.error());
    bool torn = *fate == FakeFileSystem::Fate::Torn;
    int error = disk_.torn_errno_;
    if (torn) bytes.resize(disk_.pick(bytes.size()));
    const uint64_t end = position + bytes.size();
    const uint64_t growth = end > node_->now.size() ? end - node_->now.size() : 0;
    const uint64_t used = disk_.used_locked();
    const uint64_t room = disk_.capacity_ > used ? disk_.capacity_ - used : 0;
    const bool spared = !disk_.spared_.empty() && path_.string().starts_with(disk_.spared_);
    if (growth > room && !spared) {
      bytes.resize(bytes.size() - std::min<uint64_t>(growth - room, bytes.size()));
      if (!torn) error = ENOSPC;
      torn = true;
    }
    if (!bytes.empty()) {
      const uint64_t written_end = position + bytes.size();
      if (written_end > node_->now.size()) node_->set_length(written_end);
      node_->now.replace(position, bytes.size(), bytes);
      node_->touch(position, written_end);
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
    const auto fate = disk_.begin(path_, false, false);
    if (!fate) return std::unexpected(fate.error());
    node_->set_length(size);
    return {};
  }

  Status sync() override {
    const MutexLock lock(disk_.mutex_);
    NOROSHI_TRY(alive());
    const auto fate = disk_.begin(path_, true, false);
    if (!fate) {
      if (!disk_.crashed_) disk_.fail_sync(*node_);
      return std::unexpected(fate.error());
    }
    for (const uint64_t sector : node_->dirty) node_->write_back(sector);
    node_->dirty.clear();
    node_->synced.resize(node_->now.size());
    return {};
  }

 private:
  Status alive() const NO_THREAD_SAFETY_ANALYSIS {
    if (disk_.crashed_ || epoch_ != disk_.epoch_)
      return fail(ErrorCode::Io, "the fake disk crashed");
    return {};
  }

  FakeFileSystem& disk_;
  const Path path_;
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

void FakeFileSystem::fail_syncs(uint64_t count, int error_number) {
  const MutexLock lock(mutex_);
  syncs_to_fail_ = count;
  fail_sync_errno_ = error_number;
}

uint64_t FakeFileSystem::failed_syncs() const {
  const MutexLock lock(mutex_);
  return failed_syncs_;
}

void FakeFileSystem::set_failed_sync(FailedSync what) {
  const MutexLock lock(mutex_);
  failed_sync_ = what;
}

void FakeFileSystem::make_unreadable(const Path& path, uint64_t from, uint64_t to) {
  const MutexLock lock(mutex_);
  const auto found = now_.find(path);
  if (found == now_.end()) return;
  found->second->unreadable_from = from;
  found->second->unreadable_to = to;
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

std::vector<std::string> FakeFileSystem::names() const {
  const MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [path, node] : now_) names.push_back(path.filename().string());
  return names;
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
  node->dirty.clear();
  node->only_cached.clear();
  synced_[path] = node;
}

void FakeFileSystem::spare(const Path& path) {
  const MutexLock lock(mutex_);
  spared_ = path.string();
}

Result<FakeFileSystem::Fate> FakeFileSystem::begin(const Path& path, bool is_sync, bool is_write) {
  if (!spared_.empty() && path.string().starts_with(spared_) && !crashed_) return Fate::Proceed;
  ++operations_;
  if (crashed_) return fail(ErrorCode::Io, "the fake disk crashed");
  if (crash_at_ && operations_ >= *crash_at_) {
    crashed_ = true;
    torn_errno_ = EIO;
    if (is_write) return Fate::Torn;
    return fail(ErrorCode::Io, "the fake disk crashed");
  }
  if (is_sync && syncs_to_fail_ > 0) {
    if (syncs_to_fail_ != UINT64_MAX) --syncs_to_fail_;
    return fail_errno(fail_sync_errno_, "fake sync");
  }
  if (fail_at_ && operations_ >= *fail_at_) {
    fail_at_.reset();
    torn_errno_ = fail_errno_;
    if (is_write) return Fate::Torn;
    return fail_errno(fail_errno_, "fake operation");
  }
  return Fate::Proceed;
}

void FakeFileSystem::fail_sync(Node& node) {
  ++failed_syncs_;
  constexpr uint64_t kKinds = static_cast<uint64_t>(FailedSync::AnyOfThem);
  const FailedSync what =
      failed_sync_ ? *failed_sync_ : static_cast<FailedSync>(pick(kKinds));  // AnyOfThem included
  for (const uint64_t sector : std::set<uint64_t>(std::exchange(node.dirty, {}))) {
    switch (what == FailedSync::AnyOfThem ? static_cast<FailedSync>(pick(kKinds - 1)) : what) {
      case FailedSync::Writes:
        node.write_back(sector);
        break;
      case FailedSync::KeepsDirty:
        node.dirty.insert(sector);
        break;
      case FailedSync::CallsClean:
        node.only_cached.insert(sector);
        break;
      default:
        node.drop_from_cache(sector);
    }
  }
}

// Names are in the file system's own log: what a failed sync did not write is written by the next
// one that succeeds.
void FakeFileSystem::fail_sync_of_names(const Path& directory) {
  ++failed_syncs_;
  std::set<Path> paths;
  for (const auto& [path, node] : now_) paths.insert(path);
  for (const auto& [path, node] : synced_) paths.insert(path);
  for (const Path& path : paths) {
    if (path.parent_path() != directory || pick(1) == 0) continue;
    if (const auto found = now_.find(path); found != now_.end())
      synced_[path] = found->second;
    else
      synced_.erase(path);
  }
}

void FakeFileSystem::lose_power(Node& node) {
  const uint64_t least = std::min(node.now.size(), node.synced.size());
  const uint64_t most = std::max(node.now.size(), node.synced.size());
  std::string left = node.synced;
  // The length, too, is old, new or in between.
  left.resize(least + pick(most - least));
  for (const uint64_t sector : node.dirty) {
    if (pick(1) == 0) copy_sector(node.now, left, sector);
  }
  node.now = node.synced = std::move(left);
  node.dirty.clear();
  node.only_cached.clear();
}

void FakeFileSystem::restart(Crash crash) {
  const MutexLock lock(mutex_);
  ++epoch_;
  crashed_ = false;
  crash_at_.reset();
  fail_at_.reset();
  syncs_to_fail_ = 0;
  locks_.clear();
  if (crash == Crash::ProcessKilled) {
    // What is only in the cache may leave it any time.
    for (auto& [path, node] : now_) {
      for (const uint64_t sector : std::set<uint64_t>(node->only_cached)) {
        if (pick(3) > 0) continue;
        node->drop_from_cache(sector);
        node->only_cached.erase(sector);
      }
    }
    return;
  }
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
    const auto fate = begin(path, false, false);
    if (!fate) return std::unexpected(fate.error());
    found = now_.emplace(path, std::make_shared<Node>()).first;
  } else if (mode == OpenMode::Create) {
    const auto fate = begin(path, false, false);
    if (!fate) return std::unexpected(fate.error());
    found->second->set_length(0);
  }
  return std::make_unique<FakeFile>(*this, path, found->second, epoch_);
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
  const auto fate = begin(path, false, false);
  if (!fate) return std::unexpected(fate.error());
  if (now_.erase(path) == 0) return fail_errno(ENOENT, path.string());
  return {};
}

Status FakeFileSystem::rename(const Path& from, const Path& to) {
  const MutexLock lock(mutex_);
  const auto fate = begin(from, false, false);
  if (!fate) return std::unexpected(fate.error());
  const auto found = now_.find(from);
  if (found == now_.end()) return fail_errno(ENOENT, from.string());
  now_[to] = found->second;
  now_.erase(from);
  return {};
}

Status FakeFileSystem::sync_directory(const Path& directory) {
  const MutexLock lock(mutex_);
  const auto fate = begin(directory, true, false);
  if (!fate) {
    if (!crashed_) fail_sync_of_names(directory);
    return std::unexpected(fate.error());
  }
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
