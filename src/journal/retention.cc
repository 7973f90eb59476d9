#include "journal/retention.h"

#include <algorithm>

#include "base/log.h"
#include "journal/checkpoint_format.h"

namespace noroshi {
namespace {

constexpr std::string_view kComponent = "journal";

}  // namespace

Result<LoadedCheckpoint> Retention::register_output(std::string_view identity, Offset oldest) {
  const MutexLock lock(mutex_);
  NOROSHI_ASSIGN(LoadedCheckpoint loaded, store_.load(identity));
  if (const Status repaired = store_.repair(identity); !repaired) {
    log_warn(kComponent, "checkpoint of {}: {}", identity, repaired.error().message);
  }
  switch (loaded.origin) {
    case CheckpointOrigin::Saved:
      break;
    case CheckpointOrigin::New:
      loaded.checkpoint.low_water = oldest;
      break;
    case CheckpointOrigin::Earlier:
      log_warn(
          kComponent,
          "checkpoint of {}: the last save is damaged; going on from an earlier one, at record {}"
          " (records may be delivered again)",
          identity, loaded.checkpoint.low_water.value);
      break;
    case CheckpointOrigin::Damaged:
      loaded.checkpoint.low_water = oldest;
      log_error(
          kComponent,
          "checkpoint of {}: {} is unreadable or of another journal; going on from the oldest "
          "retained record, {} (records may be delivered again)",
          identity, loaded.path.string(), oldest.value);
      break;
  }
  // Not counted as durable before a sync of this process has succeeded.
  holds_[std::string(identity)] = {loaded.checkpoint.low_water, Offset{}};
  return loaded;
}

void Retention::unregister_output(std::string_view identity) {
  const MutexLock lock(mutex_);
  if (const auto found = holds_.find(identity); found != holds_.end()) holds_.erase(found);
}

Status Retention::save(const Checkpoint& checkpoint, bool durable) {
  const MutexLock lock(mutex_);
  NOROSHI_TRY(store_.save(checkpoint));
  const auto hold = holds_.find(checkpoint.identity);
  if (hold != holds_.end()) hold->second.low_water = checkpoint.low_water;
  if (durable) {
    NOROSHI_TRY(store_.sync(checkpoint.identity));
    if (hold != holds_.end()) hold->second.durable = checkpoint.low_water;
  }
  // What is saved is saved: that nothing can be deleted yet is no reason to repeat it.
  if (const Result<bool> deleted = delete_passed_locked(); !deleted) {
    if (const uint64_t times = delete_episode_.admit()) {
      log_warn(kComponent, "segments that nobody needs any more are kept: {} ({} times)",
               deleted.error().message, times);
    }
  }
  return {};
}

Result<bool> Retention::delete_passed() {
  const MutexLock lock(mutex_);
  return delete_passed_locked();
}

Result<bool> Retention::delete_passed_locked() {
  if (holds_.empty()) return false;
  const auto lowest =
      std::ranges::min_element(holds_, {}, [](const auto& hold) { return hold.second.low_water; });
  Offset end;
  if (!segments_.would_take(lowest->second.low_water, end)) return false;
  for (auto& [identity, hold] : holds_) {
    if (hold.durable >= end) continue;
    NOROSHI_TRY(store_.sync(identity));
    hold.durable = hold.low_water;
  }
  for (const SegmentPointer& segment : segments_.take_below(end)) {
    remove_file(*segment, free_at_once_);
  }
  return true;
}

bool Retention::all_passed(Offset offset) const {
  const MutexLock lock(mutex_);
  return !holds_.empty() && std::ranges::all_of(holds_, [&](const auto& hold) {
    return hold.second.low_water >= offset;
  });
}

bool Retention::drop(const SegmentPointer& oldest) {
  if (!segments_.drop(oldest)) return false;
  remove_file(*oldest, true);
  return true;
}

Status Retention::replace_file(const Segment& segment, const Path& fresh) {
  const MutexLock lock(mutex_);
  if (segments_.contains(segment)) return files_.rename(fresh, segment.path);
  NOROSHI_TRY(files_.remove(fresh));
  return fail(ErrorCode::NotFound, segment.path.string() + " was deleted");
}

// A file that cannot be removed is found again at the next start, and deleted then.
void Retention::remove_file(const Segment& segment, bool free_at_once) {
  std::unique_ptr<File> file;
  if (free_at_once) {
    if (auto opened = files_.open(segment.path, OpenMode::ReadWrite)) file = *std::move(opened);
  }
  if (const Status removed = files_.remove(segment.path); !removed) {
    log_warn(kComponent, "{}", removed.error().message);
  }
  if (file == nullptr) return;
  if (const Status freed = file->truncate(0); !freed) {
    log_warn(kComponent, "{}", freed.error().message);
  }
}

Result<std::vector<LoadedCheckpoint>> Retention::orphans() {
  const MutexLock lock(mutex_);
  NOROSHI_ASSIGN(std::vector<LoadedCheckpoint> all, store_.load_all());
  std::vector<LoadedCheckpoint> orphans;
  for (LoadedCheckpoint& loaded : all) {
    const bool registered = std::ranges::any_of(holds_, [&](const auto& hold) {
      return checkpoint_file_name(hold.first) == loaded.path.filename().string();
    });
    if (!registered) orphans.push_back(std::move(loaded));
  }
  return orphans;
}

Status Retention::remove(std::string_view identity) {
  const MutexLock lock(mutex_);
  return store_.remove(identity);
}

}  // namespace noroshi
