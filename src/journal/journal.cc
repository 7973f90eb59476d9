#include "journal/journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "journal/journal_impl.h"
#include "journal/journal_reader.h"
#include "journal/segment_reader.h"

namespace noroshi {
namespace {

// A journal has at least so many segments, or retention would free its space in one lump.
constexpr uint64_t kSegmentsMin = 8;

// The disk is asked for its free space once per so many bytes appended.
constexpr uint64_t kFreeSpaceCheckBytes = 1 << 20;

// A segment begins with so many receipts of the one before at most, in at most this share of it: at
// 5,000 acknowledged requests a second those of the last 1.6 s, beside those of the segment itself.
constexpr size_t kReceiptsCarriedMax = 8192;
constexpr uint64_t kReceiptsShareMax = 16;

// While dropping, the journal counts as full until nothing was dropped for so long.
constexpr Seconds kDropQuiet{60};

// So many segments keep the descriptor they were written with until they are synced.
constexpr size_t kWritersMax = 32;
constexpr char kMemoryDirectory[] = "/journal";

}  // namespace

std::string in_mib(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

JournalImpl::JournalImpl(JournalOptions options, FileSystem& files,
                         std::unique_ptr<FileSystem> owned_files, std::unique_ptr<FileLock> lock,
                         const Clock& clock, RecoveredJournal recovered)
    : options_(std::move(options)),
      owned_files_(std::move(owned_files)),
      files_(files),
      lock_(std::move(lock)),
      clock_(clock),
      id_(recovered.id),
      recovery_(recovered.report),
      in_memory_(owned_files_ != nullptr),
      retention_(files_, options_.directory, id_, segments_, in_memory_) {
  for (SegmentPointer& segment : recovered.segments) segments_.add(std::move(segment));
  appended_.store(recovered.next);
  const MutexLock appending(append_mutex_);
  remember(recovered.receipts, kOffsetMax);  // of entries that nothing is lost of any more
  recovered_receipts_ = std::move(recovered.receipts);
  unchecked_bytes_ = kFreeSpaceCheckBytes;  // the first append asks
  // What an earlier process appended may not be on stable storage yet.
  durable_.store(segments_.first_offset(recovered.next));
  // An output that is still below the oldest segment lost what was there to an earlier
  // DropOldest.
  if (options_.when_full == WhenFull::DropOldest) {
    segments_.set_dropped_below(segments_.first_offset(recovered.next));
  }
  if (recovered.untrusted) {
    const MutexLock syncing(sync_mutex_);
    static_cast<void>(begin_failed("an fsync failed before the restart"));
    next_repair_.store(clock_.monotonic());
  }
}

// ---- append
// --------------------------------------------------------------------------------------------

Result<Offset> JournalImpl::append(const ChunkView& chunk, const Routing& routing,
                                   std::span<const Receipt> receipts) {
  const MutexLock lock(append_mutex_);
  // What would not survive anyway is not stored; of too many the newest are.
  if (in_memory_) receipts = {};
  receipts = receipts.last(std::min<size_t>(receipts.size(), kReceiptsMax));
  if (failed_.load()) NOROSHI_TRY(repair());
  NOROSHI_ASSIGN(EntryLayout layout, layout_of(chunk, routing));
  layout.receipts = static_cast<uint32_t>(receipts.size());
  layout.compute_entry_bytes();
  const uint64_t most = options_.bytes_max - kSegmentHeaderBytes - carried_.size() * kReceiptBytes;
  if (layout.entry_bytes > most) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a chunk of {} does not fit into a journal limited to {}",
                            in_mib(layout.entry_bytes), in_mib(options_.bytes_max)));
  }
  layout.base = appended_.load();
  layout.appended_at = clock_.wall();
  if (layout.end() > kOffsetMax)
    return fail(ErrorCode::Exhausted, "the journal's offsets are used up");

  for (;;) {
    // It may have to open a segment, and then carries the receipts of the one before.
    Status status = make_room(layout.entry_bytes + carried_.size() * kReceiptBytes);
    if (status) status = write(layout, chunk, routing, receipts);
    if (status) break;
    if (status.error().code != ErrorCode::Exhausted) {
      begin_broken(status.error());
      return std::unexpected(status.error());
    }
    begin_full(status.error());
    // Dropping goes on, oldest first, until the chunk fits or nothing is left to drop.
    if (options_.when_full == WhenFull::Block || !drop_oldest()) {
      return std::unexpected(status.error());
    }
  }
  if (full_.load()) end_full();
  if (broken_) end_broken();
  remember(receipts, layout.base);
  publish(layout.entry_bytes, layout.end());
  return layout.base;
}

// Ok if the limits leave room for the entry, after deleting what nobody needs.
Status JournalImpl::make_room(uint64_t entry_bytes) {
  const uint64_t bytes = entry_bytes + kSegmentHeaderBytes;
  if (segments_.bytes() + bytes > options_.bytes_max) {
    if (active_ && retention_.all_passed(active_->end_offset.load())) seal();
    const Result<bool> deleted = retention_.delete_passed();
    if (!deleted) return fail(ErrorCode::Exhausted, deleted.error().message);
    if (segments_.bytes() + bytes > options_.bytes_max) {
      return fail(ErrorCode::Exhausted,
                  fmt::format("the journal holds {} of at most {}", in_mib(segments_.bytes()),
                              in_mib(options_.bytes_max)));
    }
  }
  return check_disk(entry_bytes);
}

// Keeps options_.disk_free_min for the others on this disk.
Status JournalImpl::check_disk(uint64_t entry_bytes) {
  unchecked_bytes_ += entry_bytes;
  if (options_.disk_free_min == 0 || unchecked_bytes_ < kFreeSpaceCheckBytes) return {};
  const Result<uint64_t> free = files_.free_bytes(options_.directory);
  // A disk that does not tell is written to until it says ENOSPC.
  if (free && *free < options_.disk_free_min + entry_bytes) {
    return fail(ErrorCode::Exhausted, fmt::format("the disk of {} has {} left, {} are kept free",
                                                  options_.directory.string(), in_mib(*free),
                                                  in_mib(options_.disk_free_min)));
  }
  unchecked_bytes_ = 0;
  return {};
}

Status JournalImpl::write(EntryLayout& layout, const ChunkView& chunk, const Routing& routing,
                          std::span<const Receipt> receipts) {
  NOROSHI_TRY(prepare_segment(layout.entry_bytes));
  if (!carried_.empty() && active_->end_offset.load() == active_->first) {
    // The first entry of a segment repeats the receipts of the recent past: the segments before it
    // may be deleted any time, and recovery reads this one alone. Where a power loss must not take
    // what was acknowledged, it must not take the records and leave their receipts either.
    if (options_.sync == SyncMode::Full) NOROSHI_TRY(sync_appended(appended_.load()));
    first_receipts_.clear();
    for (const CarriedReceipt& carried : carried_) first_receipts_.push_back(carried.receipt);
    first_receipts_.insert(first_receipts_.end(), receipts.begin(), receipts.end());
    receipts = first_receipts_;
    receipts = receipts.last(std::min<size_t>(receipts.size(), kReceiptsMax));
  }
  layout.receipts = static_cast<uint32_t>(receipts.size());
  layout.compute_entry_bytes();
  const uint64_t position = active_->end_position.load();
  if (uncut_) {
    NOROSHI_TRY(file_->truncate(position));
    uncut_ = false;
  }
  encoder_.encode(layout, chunk, routing, receipts, active_->salt);
  Status written = file_->write_at(position, encoder_.pieces());
  if (written) return {};
  // Nothing may stay behind the last whole entry: written over in part by the next one, it would
  // look like damage after a crash. What cannot be cut off now is cut off before the next entry.
  uncut_ = !file_->truncate(position);
  if (written.error().code != ErrorCode::Exhausted) seal();  // perhaps another file fares better
  return written;
}

Status JournalImpl::prepare_segment(uint64_t entry_bytes) {
  if (active_) {
    const uint64_t position = active_->end_position.load();
    const bool empty = active_->end_offset.load() == active_->first;
    if (!empty && position + entry_bytes > options_.segment_bytes_max) seal();
  }
  return open_segment();
}

// Makes sure that there is an active segment. A file of the same name may be left from an append
// that a crash cut short: it is replaced, not written over, so that no power loss can mix the two.
Status JournalImpl::open_segment() {
  if (active_) return {};
  const Offset first = appended_.load();
  const Path path = options_.directory / segment_file_name(first);
  const Path fresh = path.string() + std::string(kUnfinishedSuffix);
  const std::string header =
      encode_segment_header({.journal = id_, .first = first, .created = clock_.wall()});
  const std::string_view piece = header;
  NOROSHI_ASSIGN(std::unique_ptr<File> created, files_.open(fresh, OpenMode::Create));
  std::shared_ptr<File> file = std::move(created);
  Status made = file->write_at(0, {&piece, 1});
  if (made) made = files_.rename(fresh, path);
  if (!made) {
    // Found and removed at the next start if this fails, too.
    static_cast<void>(files_.remove(fresh).has_value());
    return made;
  }
  directory_changed_.store(true);
  // By its name, for the messages of errors to come.
  if (Result<std::unique_ptr<File>> named = files_.open(path, OpenMode::ReadWrite))
    file = *std::move(named);
  auto segment = std::make_shared<Segment>(first, path, segment_salt(id_, first));
  segment->end_position.store(kSegmentHeaderBytes);
  if (!in_memory_) {
    close_writers();
    segment->set_writer(file);
  }
  segments_.add(segment);
  active_ = std::move(segment);
  file_ = std::move(file);
  uncut_ = false;
  return {};
}

// Nobody has synced for long: the oldest segments are written by now, as a rule. Their files are
// opened again if somebody does.
void JournalImpl::close_writers() {
  std::vector<SegmentPointer> open = segments_.all();
  std::erase_if(open, [](const SegmentPointer& segment) { return segment->writer() == nullptr; });
  for (size_t i = 0; i + kWritersMax <= open.size(); ++i) open[i]->set_writer(nullptr);
}

// Of the last kReceiptsCarriedMax requests, for the next segment.
void JournalImpl::remember(std::span<const Receipt> receipts, Offset base) {
  for (const Receipt& receipt : receipts) carried_.push_back({receipt, base});
  const size_t most = std::min<uint64_t>(
      kReceiptsCarriedMax, options_.segment_bytes_max / kReceiptsShareMax / kReceiptBytes);
  while (carried_.size() > most) carried_.pop_front();
}

// Ends the active segment; the next append makes a new one. One without entries is kept and used
// again, for its successor would have the same name.
void JournalImpl::seal() {
  if (!active_ || active_->end_offset.load() == active_->first) return;
  active_->sealed.store(true);
  active_.reset();
  file_.reset();
}

void JournalImpl::publish(uint64_t entry_bytes, Offset end) {
  active_->end_position.store(active_->end_position.load() + entry_bytes);
  active_->end_offset.store(end);
  segments_.grow(entry_bytes);
  appended_.store(end);
}

Status JournalImpl::commit() {
  if (failed_.load()) {
    if (!repair_is_due()) return fail(ErrorCode::Io, problem());
    const MutexLock lock(append_mutex_);
    NOROSHI_TRY(repair());
  }
  return options_.sync == SyncMode::Full ? sync_appended(appended_.load()) : Status();
}

// ---- full
// ----------------------------------------------------------------------------------------------

bool JournalImpl::drop_oldest() {
  // The last segment goes only when its successor is there, whose name says which offsets are used.
  // On a disk without room even for that, nothing more is dropped.
  if (!segments_.oldest_sealed()) seal();
  if (!open_segment()) return false;
  {
    // The names of newer segments must be on stable storage first. Otherwise a power loss could
    // bring back a segment dropped earlier and lose the newer ones: offsets below durable_offset()
    // would be used again.
    const MutexLock lock(sync_mutex_);
    if (failed_.load()) return false;
    if (const Status synced = sync_names(); !synced) {
      static_cast<void>(begin_failed(synced.error().message));
      return false;
    }
  }
  const SegmentPointer oldest = segments_.oldest_sealed();
  if (!oldest) return false;
  if (options_.on_drop) tell_before_drop(oldest);
  last_drop_ = clock_.monotonic();
  // Exactly the segment that was told. While we told it, a checkpoint may have passed it and made
  // the room that is wanted; the next one, which nobody was told of, stays.
  if (retention_.drop(oldest))
    records_dropped_.fetch_add(oldest->end_offset.load() - oldest->first);
  return true;
}

void JournalImpl::tell_before_drop(const SegmentPointer& oldest) {
  auto file = files_.open(oldest->path, OpenMode::Read);
  if (!file) {
    if (segments_.oldest_sealed() == oldest)
      log_warn(kJournalComponent, "{}", file.error().message);
    return;
  }
  SegmentReader reader(*std::move(file), oldest->salt, oldest->first);
  EntryHead head;
  for (;;) {
    const auto step = reader.next(oldest->end_position.load(), oldest->end_offset.load(), head);
    if (!step) return log_warn(kJournalComponent, "{}", step.error().message);
    if (*step == SegmentReader::Step::End) return;
    if (*step == SegmentReader::Step::Entry) options_.on_drop(head);
  }
}

void JournalImpl::begin_full(const Error& error) {
  unchecked_bytes_ = kFreeSpaceCheckBytes;  // look again at once
  if (full_.exchange(true)) return;
  full_since_ = clock_.monotonic();
  dropped_at_full_ = records_dropped_.load();
  const bool block = options_.when_full == WhenFull::Block;
  set_problem(fmt::format("journal full: {}", error.message));
  full_logged_ = full_episode_.admit() > 0;
  if (!full_logged_) return;  // it goes in and out of being full; once a minute is enough
  log_warn(kJournalComponent, "full: {}; {}", error.message,
           block ? "inputs are paused until outputs catch up" : "dropping the oldest records");
}

// An append found room. While dropping, that alone does not mean much.
void JournalImpl::end_full() {
  const Monotonic now = clock_.monotonic();
  if (options_.when_full == WhenFull::DropOldest && now - last_drop_ < kDropQuiet) return;
  full_.store(false);
  const auto seconds = std::chrono::duration<double>(now - full_since_).count();
  if (full_logged_)
    log_info(kJournalComponent, "room again after {:.1f} s, {} records dropped meanwhile", seconds,
             records_dropped_.load() - dropped_at_full_);
  set_problem({});
}

// A write failed, and not for want of room. One line when that begins, one when it is over.
void JournalImpl::begin_broken(const Error& error) {
  if (failed_.load()) return;  // that has lines of its own
  set_problem(error.message);
  ++broken_attempts_;
  if (std::exchange(broken_, true)) return;
  broken_since_ = clock_.monotonic();
  broken_attempts_ = 1;
  broken_logged_ = broken_episode_.admit() > 0;  // one that comes and goes says so once a minute
  if (!broken_logged_) return;
  log_error(kJournalComponent,
            "{}; nothing more is stored or acknowledged until a write succeeds, inputs are paused",
            error.message);
}

void JournalImpl::end_broken() {
  broken_ = false;
  if (!full_.load()) set_problem({});
  if (!broken_logged_) return;
  const auto seconds = std::chrono::duration<double>(clock_.monotonic() - broken_since_).count();
  log_info(kJournalComponent,
           "writes succeed again after {:.1f} s and {} failed attempts; nothing that was "
           "acknowledged is lost",
           seconds, broken_attempts_);
}

void JournalImpl::set_problem(std::string problem) {
  const MutexLock lock(problem_mutex_);
  problem_ = std::move(problem);
}

// ---- reading
// -------------------------------------------------------------------------------------------

uint64_t JournalImpl::bytes_from(Offset offset) const {
  uint64_t bytes = 0;
  for (const SegmentPointer& segment : segments_.all()) {
    const Offset end = segment->end_offset.load();
    if (end <= offset) continue;
    const uint64_t whole = segment->end_position.load();
    if (segment->first >= offset) {
      bytes += whole;
    } else {
      bytes +=
          static_cast<uint64_t>(static_cast<double>(whole) * static_cast<double>(end - offset) /
                                static_cast<double>(end - segment->first));
    }
  }
  return bytes;
}

Offset JournalImpl::next_segment(Offset offset) const {
  for (const SegmentPointer& segment : segments_.all()) {
    if (segment->first > offset) return segment->first;
  }
  return appended_.load();
}

Result<LoadedCheckpoint> JournalImpl::register_output(std::string_view identity) {
  return retention_.register_output(identity, first_offset());
}

void JournalImpl::unregister_output(std::string_view identity) {
  retention_.unregister_output(identity);
}

Status JournalImpl::save_checkpoint(const Checkpoint& checkpoint, bool durable) {
  CHECK(checkpoint.highest() <= appended_.load(), "a checkpoint names only appended records");
  return retention_.save(checkpoint, durable || options_.sync == SyncMode::Full);
}

Result<std::vector<LoadedCheckpoint>> JournalImpl::orphan_checkpoints() {
  return retention_.orphans();
}

Status JournalImpl::remove_checkpoint(std::string_view identity) {
  return retention_.remove(identity);
}

std::unique_ptr<JournalReader> JournalImpl::make_reader(Offset from) {
  return make_journal_reader(files_, segments_, appended_, from);
}

std::string JournalImpl::problem() const {
  const MutexLock lock(problem_mutex_);
  return sync_problem_.empty() ? problem_ : sync_problem_;
}

std::vector<Receipt> JournalImpl::take_receipts() {
  const MutexLock lock(append_mutex_);
  return std::exchange(recovered_receipts_, {});
}

Result<std::unique_ptr<Journal>> Journal::open(JournalOptions options, FileSystem* files,
                                               const Clock& clock) {
  if (options.bytes_max < kJournalBytesMin) {
    return fail(ErrorCode::InvalidArgument, fmt::format("a journal of {} bytes; {} is the least",
                                                        options.bytes_max, kJournalBytesMin));
  }
  options.segment_bytes_max =
      std::clamp<uint64_t>(options.segment_bytes_max, kSegmentHeaderBytes,
                           std::min(options.bytes_max / kSegmentsMin, kSegmentFileBytesMax / 2));
  std::unique_ptr<FileSystem> owned;
  if (files == nullptr && options.directory.empty()) {
    owned = make_memory_file_system();
    files = owned.get();
    options.directory = kMemoryDirectory;
    options.disk_free_min = 0;
  }
  if (files == nullptr) files = &posix_file_system();
  if (options.directory.empty()) {
    return fail(ErrorCode::InvalidArgument, "a journal on a disk needs a directory");
  }
  const std::string where = "journal " + options.directory.string();
  const auto recover = [&]() -> Result<std::unique_ptr<Journal>> {
    NOROSHI_TRY(files->create_directories(options.directory));
    NOROSHI_ASSIGN(std::unique_ptr<FileLock> lock, files->lock(options.directory / kLockFileName));
    NOROSHI_ASSIGN(RecoveredJournal recovered, recover_journal(*files, options.directory));
    auto made = std::make_unique<JournalImpl>(std::move(options), *files, std::move(owned),
                                              std::move(lock), clock, std::move(recovered));
    // If that does not work out, the next append tries it again.
    if (made->failed()) static_cast<void>(made->commit().has_value());
    return made;
  };
  Result<std::unique_ptr<Journal>> journal = recover();
  if (!journal) return std::unexpected(std::move(journal).error().with_context(where));
  const JournalRecovery& found = (*journal)->recovery();
  log_info(kJournalComponent, "{}: {} in {} segments, records {} to {}", where,
           in_mib((*journal)->bytes()), found.segments, (*journal)->first_offset().value,
           (*journal)->appended_offset().value);
  if (found.torn_bytes_cut > 0) {
    log_warn(kJournalComponent, "{} bytes of an unfinished append were cut off",
             found.torn_bytes_cut);
  }
  if (found.records_damaged > 0) {
    log_error(kJournalComponent, "{} records in the newest segment are damaged",
              found.records_damaged);
  }
  if (found.offsets_skipped > 0) {
    log_error(
        kJournalComponent,
        "{} records that an output had delivered are missing (power loss?); going on after them",
        found.offsets_skipped);
  }
  return journal;
}

}  // namespace noroshi
