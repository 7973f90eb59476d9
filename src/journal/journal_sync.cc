#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "journal/journal_impl.h"

namespace noroshi {
namespace {

// While so many attempts to repair fail to read something back, it may come back. Then it is lost.
constexpr uint32_t kReadBackAttempts = 5;

// Ranges of lost records are remembered one by one up to here; further ones as one large range.
constexpr size_t kLossesMax = 1024;

}  // namespace

// ---- sync
// ----------------------------------------------------------------------------------------------

Status JournalImpl::sync_to(Offset offset) {
  if (durable_.load() >= offset) return {};
  if (failed_.load()) {
    if (!repair_is_due()) return fail(ErrorCode::Io, problem());
    const MutexLock lock(append_mutex_);
    NOROSHI_TRY(repair());
  }
  return sync_appended(offset);
}

Status JournalImpl::sync_appended(Offset offset) {
  if (durable_.load() >= offset) return {};
  const MutexLock lock(sync_mutex_);
  if (durable_.load() >= offset) return {};  // somebody else's fsync covered it while we waited
  if (failed_.load()) return fail(ErrorCode::Io, problem());
  const Offset target = appended_.load();
  CHECK(offset <= target, "only appended records can be synced");
  NOROSHI_TRY(sync_segments(target));
  durable_.store(target);
  return {};
}

Status JournalImpl::sync_segments(Offset target) {
  for (const SegmentPointer& segment : segments_.all()) {
    if (segment->first >= target) continue;
    if (const Status synced = sync_segment(*segment); !synced) {
      // A file that cannot be opened has not lost anything yet.
      if (!segment->untrusted.load()) return synced;
      return std::unexpected(begin_failed(synced.error().message));
    }
  }
  if (const Status synced = sync_names(); !synced) {
    return std::unexpected(begin_failed(synced.error().message));
  }
  return {};
}

// Its bytes up to the end it has now are on stable storage afterwards.
Status JournalImpl::sync_segment(Segment& segment) {
  if (segment.settled) return {};
  const bool sealed = segment.sealed.load();
  const uint64_t position = segment.end_position.load();
  if (segment.synced_position < position) {
    std::shared_ptr<File> file = segment.writer();
    if (file == nullptr) {
      Result<std::unique_ptr<File>> opened = files_.open(segment.path, OpenMode::ReadWrite);
      if (!opened) {
        if (opened.error().code == ErrorCode::NotFound) return {};  // deleted meanwhile
        return std::unexpected(std::move(opened).error());
      }
      file = *std::move(opened);
    }
    if (Status synced = file->sync(); !synced) {
      segment.untrusted.store(true);
      return synced;
    }
    segment.synced_position = position;
  }
  if (sealed) {
    segment.set_writer(nullptr);
    segment.settled = true;
  }
  return {};
}

Status JournalImpl::sync_names() {
  if (!directory_changed_.exchange(false)) return {};
  Status synced = files_.sync_directory(options_.directory);
  if (!synced) directory_changed_.store(true);
  return synced;
}

// ---- failed, and repaired
// --------------------------------------------------------------------------------------

// An fsync failed: nothing is promised from here on until everything that was not on stable storage
// before is so by way of another file.
Error JournalImpl::begin_failed(const std::string& reason) {
  note_untrusted();
  set_sync_problem(reason);
  failed_since_ = clock_.monotonic();
  repair_wait_ = kRepairWaitMin;
  repair_attempts_ = 0;
  rewritten_bytes_ = rewritten_records_ = lost_records_ = 0;
  next_repair_.store(failed_since_ + repair_wait_);
  failed_.store(true);
  failed_logged_ = failed_episode_.admit() > 0;  // one that comes and goes says so once a minute
  if (failed_logged_) log_error(kJournalComponent, "{}", problem());
  return {.code = ErrorCode::Io, .message = problem()};
}

// For the next process, should this one be killed before the repair. A disk that refuses this as
// well leaves it without: it trusts what the cache shows, and a power loss may then take that.
void JournalImpl::note_untrusted() {
  std::vector<std::string> untrusted;
  for (const SegmentPointer& segment : segments_.all()) {
    if (segment->untrusted.load()) untrusted.push_back(segment->path.filename().string());
  }
  if (untrusted.empty()) return;
  static_cast<void>(write_untrusted(files_, options_.directory, untrusted).has_value());
}

void JournalImpl::set_sync_problem(const std::string& reason) {
  const MutexLock lock(problem_mutex_);
  sync_problem_ = fmt::format(
      "{}: nothing more is acknowledged until what is not on stable storage is written again; what "
      "is in the journal is still delivered, to S3 as far as it was synced",
      reason);
}

// Ok: the journal has not failed (any more).
Status JournalImpl::repair() {
  if (!repair_is_due()) return fail(ErrorCode::Io, problem());
  const MutexLock lock(sync_mutex_);
  if (!failed_.load()) return {};  // somebody else did it while we waited
  if (!repair_is_due()) return fail(ErrorCode::Io, problem());
  ++repair_attempts_;
  const Status repaired = try_repair();
  if (repaired) {
    end_failed();
    return {};
  }
  set_sync_problem(repaired.error().message);
  next_repair_.store(clock_.monotonic() + repair_wait_);
  repair_wait_ = std::min<Nanoseconds>(repair_wait_ * 2, kRepairWaitMax);
  return fail(ErrorCode::Io, problem());
}

Status JournalImpl::try_repair() {
  seal();
  for (const SegmentPointer& segment : segments_.all()) {
    if (segment->first >= appended_.load()) continue;
    if (!segment->untrusted.load()) {
      // Not asked yet whether it is written; if it is not, it is no better than the others.
      const Status synced = sync_segment(*segment);
      if (!synced && !segment->untrusted.load()) return synced;
      if (!synced) note_untrusted();
    }
    if (segment->untrusted.load()) NOROSHI_TRY(repair_segment(*segment));
  }
  // The name of the newest segment says which offsets are used, should the last ones be lost; and
  // with a name that is new since the failure the directory has something to sync.
  if (const Status opened = open_segment(); !opened) {
    const bool full = opened.error().code == ErrorCode::Exhausted;
    if (!full || lost_records_ > 0) return opened;
  }
  directory_changed_.store(true);
  NOROSHI_TRY(sync_names());
  return {};
}

Status JournalImpl::repair_segment(Segment& segment) {
  Result<RewrittenSegment> rewritten =
      rewrite_segment(files_, segment, repair_attempts_ >= kReadBackAttempts);
  if (rewritten && !rewritten->fresh.empty()) {
    if (Status renamed = retention_.replace_file(segment, rewritten->fresh); !renamed) {
      rewritten = std::unexpected(std::move(renamed).error());
    } else {
      directory_changed_.store(true);
      segment.generation.fetch_add(1);
    }
  }
  if (!rewritten) {
    if (!segments_.contains(segment)) return {};  // deleted: every output has passed it
    return std::unexpected(std::move(rewritten).error());
  }
  segment.synced_position = segment.end_position.load();
  segment.set_writer(nullptr);
  for (const OffsetRange& lost : rewritten->lost) count_loss(lost);
  segment.untrusted.store(false);
  rewritten_bytes_ += rewritten->bytes;
  rewritten_records_ += rewritten->records;
  return {};
}

// Damage below durable_offset() is none of the failed fsync's.
void JournalImpl::count_loss(OffsetRange lost) {
  lost.from = std::max(lost.from, durable_.load());
  if (lost.from >= lost.to) return;
  lost_records_ += lost.to - lost.from;
  // What is lost must not be taken for stored when its sender repeats it after the next restart.
  std::erase_if(carried_, [&](const CarriedReceipt& carried) {
    return carried.base >= lost.from && carried.base < lost.to;
  });
  const MutexLock lock(loss_mutex_);
  if (losses_.size() >= kLossesMax)
    losses_.back().to = std::max(losses_.back().to, lost.to);
  else
    losses_.push_back(lost);
  losses_counted_.fetch_add(1);
}

bool JournalImpl::lost_before_sync(Offset from, Offset to) const {
  if (losses_counted_.load() == 0) return false;
  const MutexLock lock(loss_mutex_);
  return std::ranges::any_of(
      losses_, [&](const OffsetRange& lost) { return lost.from < to && from < lost.to; });
}

void JournalImpl::end_failed() {
  durable_.store(appended_.load());
  {
    const MutexLock lock(problem_mutex_);
    sync_problem_.clear();
  }
  failed_.store(false);
  // If it cannot be removed the next start repairs once more, for nothing.
  static_cast<void>(write_untrusted(files_, options_.directory, {}).has_value());
  const auto seconds = std::chrono::duration<double>(clock_.monotonic() - failed_since_).count();
  if (lost_records_ > 0) {
    log_error(kJournalComponent,
              "syncs again after {:.1f} s and {} attempts; {} records were written again, {} were "
              "not readable any more and are counted as corrupt",
              seconds, repair_attempts_, rewritten_records_, lost_records_);
  } else if (failed_logged_) {
    log_info(kJournalComponent,
             "syncs again after {:.1f} s and {} attempts; {} records ({}) were written again, "
             "nothing is lost",
             seconds, repair_attempts_, rewritten_records_, in_mib(rewritten_bytes_));
  }
}

}  // namespace noroshi
