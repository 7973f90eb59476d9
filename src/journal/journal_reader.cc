#include "journal/journal_reader.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "journal/reader.h"
#include "journal/segment_reader.h"

namespace noroshi {
namespace {

class JournalReaderImpl final : public JournalReader {
 public:
  JournalReaderImpl(FileSystem& files, const SegmentList& segments,
                    const std::atomic<Offset>& appended, Offset from)
      : files_(files), segments_(segments), appended_(appended), position_(from) {}

  Result<ReadOutcome> next(EntryHead& head) override;
  Result<ReadOutcome> load(ChunkView& chunk) override;
  const LostRange& lost() const override { return lost_; }
  Offset position() const override { return position_; }
  void seek(Offset offset) override {
    position_ = offset;
    leave_segment();
  }

 private:
  Result<bool> enter_segment(Offset appended);
  // Opens the segment's file again if a copy has taken its place; true if it was so.
  Result<bool> follow_copy();
  // Damage was met. True: it was in a file that a copy has replaced meanwhile, look again. An
  // error: the copy is still to come.
  Result<bool> mended();
  void leave_segment() {
    reader_.reset();
    segment_.reset();
  }
  // Reports position_ .. `to` and goes on behind.
  ReadOutcome lose(Offset to);

  FileSystem& files_;
  const SegmentList& segments_;
  const std::atomic<Offset>& appended_;

  Offset position_;          // nothing below concerns us any more
  Offset entry_begin_ = {};  // first record of the current entry that does
  SegmentPointer segment_;   // where we are; null: to be looked up
  uint32_t generation_ = 0;  // of the file that reader_ has open
  std::optional<SegmentReader> reader_;
  LostRange lost_ = {};
};

ReadOutcome JournalReaderImpl::lose(Offset to) {
  CHECK(to > position_, "a lost range is not empty");
  Offset end = to;
  const Offset dropped = segments_.dropped_below();
  auto reason = LostRange::Reason::Damaged;
  if (position_ < dropped) {
    // What is missing at the front was dropped; the rest of the range, if any, is reported next.
    reason = LostRange::Reason::Dropped;
    end = std::min(to, dropped);
  }
  lost_ = {position_, end, reason};
  position_ = end;
  return ReadOutcome::Lost;
}

// Finds the segment of position_ and opens it. False: position_ .. the next segment is lost (lost_
// is set).
Result<bool> JournalReaderImpl::enter_segment(Offset appended) {
  for (;;) {
    const SegmentPointer segment = segments_.find(position_);
    if (!segment || segment->first > position_) {
      // Nothing below `appended` is missing from the list for any other reason than being gone: the
      // segment of a record is in the list before the record counts as appended.
      const Offset to = segment ? std::min(segment->first, appended) : appended;
      lose(to);
      return false;
    }
    generation_ = segment->generation.load();
    Result<std::unique_ptr<File>> file = files_.open(segment->path, OpenMode::Read);
    if (!file) {
      // Deleted between find() and open(): then it has left the list.
      if (file.error().code == ErrorCode::NotFound && segments_.find(position_) != segment)
        continue;
      return std::unexpected(std::move(file).error());
    }
    segment_ = segment;
    reader_.emplace(*std::move(file), segment->salt, segment->first);
    return true;
  }
}

Result<bool> JournalReaderImpl::follow_copy() {
  const uint32_t generation = segment_->generation.load();
  if (generation == generation_) return false;
  Result<std::unique_ptr<File>> file = files_.open(segment_->path, OpenMode::Read);
  if (!file) {
    // Deleted by now: what we have open is all that is left of it.
    if (file.error().code != ErrorCode::NotFound) return std::unexpected(std::move(file).error());
  } else {
    reader_->use(*std::move(file));
  }
  generation_ = generation;
  return true;
}

Result<bool> JournalReaderImpl::mended() {
  if (segment_->untrusted.load()) {
    return fail(ErrorCode::Io, segment_->path.string() +
                                   " is damaged, and has yet to be written again after an fsync "
                                   "that failed");
  }
  return follow_copy();
}

Result<ReadOutcome> JournalReaderImpl::next(EntryHead& head) {
  for (;;) {
    const Offset appended = appended_.load();
    if (position_ >= appended) return ReadOutcome::End;
    if (!segment_) {
      NOROSHI_ASSIGN(const bool entered, enter_segment(appended));
      if (!entered) return ReadOutcome::Lost;
    }
    // In the opposite order of publishing: sealed, then the offset, then the position.
    const bool sealed = segment_->sealed.load();
    const Offset end_offset = segment_->end_offset.load();
    const uint64_t end_position = segment_->end_position.load();
    if (position_ >= end_offset) {
      CHECK(sealed, "an unsealed segment holds every appended record");
      leave_segment();
      continue;
    }
    if (segment_->dropped.load()) {
      leave_segment();
      return lose(end_offset);
    }
    NOROSHI_TRY(follow_copy());
    NOROSHI_ASSIGN(const SegmentReader::Step step, reader_->next(end_position, end_offset, head));
    if (step == SegmentReader::Step::Entry) {
      if (head.end() <= position_) continue;  // on the way to where we were sent
      entry_begin_ = std::max(position_, head.base);
      position_ = head.end();
      return ReadOutcome::Entry;
    }
    const Result<bool> mended = this->mended();
    if (!mended || *mended) {
      leave_segment();  // its reader is behind the damage by now
      if (mended) continue;
      return std::unexpected(mended.error());
    }
    // Damage; unless the segment was dropped, and its bytes taken away, while we read.
    const Offset to = step == SegmentReader::Step::Gap && !segment_->dropped.load()
                          ? reader_->expected()
                          : end_offset;
    if (to == end_offset) leave_segment();
    if (to <= position_) continue;
    return lose(to);
  }
}

Result<ReadOutcome> JournalReaderImpl::load(ChunkView& chunk) {
  CHECK(reader_.has_value(), "load() follows next()");
  for (bool again = true; again;) {
    NOROSHI_TRY(follow_copy());
    NOROSHI_ASSIGN(const bool whole, reader_->load(chunk));
    if (whole) return ReadOutcome::Entry;
    NOROSHI_ASSIGN(again, mended());
  }
  const bool dropped = segment_->dropped.load();
  lost_ = {entry_begin_, position_,
           dropped ? LostRange::Reason::Dropped : LostRange::Reason::Damaged};
  return ReadOutcome::Lost;
}

}  // namespace

std::unique_ptr<JournalReader> make_journal_reader(FileSystem& files, const SegmentList& segments,
                                                   const std::atomic<Offset>& appended,
                                                   Offset from) {
  return std::make_unique<JournalReaderImpl>(files, segments, appended, from);
}

}  // namespace noroshi
