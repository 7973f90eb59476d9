#include "journal/segment.h"

#include <algorithm>

#include "base/check.h"

namespace noroshi {

void SegmentList::add(SegmentPointer segment) {
  const MutexLock lock(mutex_);
  CHECK(segments_.empty() || segments_.back()->end_offset.load() <= segment->first,
        "segments are added in offset order");
  grow(segment->end_position.load());
  segments_.push_back(std::move(segment));
}

SegmentPointer SegmentList::find(Offset offset) const {
  const MutexLock lock(mutex_);
  const auto found = std::ranges::partition_point(segments_, [&](const SegmentPointer& segment) {
    return segment->sealed.load() && segment->end_offset.load() <= offset;
  });
  return found == segments_.end() ? nullptr : *found;
}

std::vector<SegmentPointer> SegmentList::all() const {
  const MutexLock lock(mutex_);
  return {segments_.begin(), segments_.end()};
}

bool SegmentList::contains(const Segment& segment) const {
  const MutexLock lock(mutex_);
  return std::ranges::any_of(segments_,
                             [&](const SegmentPointer& held) { return held.get() == &segment; });
}

std::vector<SegmentPointer> SegmentList::take_below(Offset offset) {
  const MutexLock lock(mutex_);
  std::vector<SegmentPointer> taken;
  while (!segments_.empty() && segments_.front()->sealed.load() &&
         segments_.front()->end_offset.load() <= offset) {
    forget(*segments_.front());
    taken.push_back(std::move(segments_.front()));
    segments_.pop_front();
  }
  return taken;
}

bool SegmentList::would_take(Offset offset, Offset& end) const {
  const MutexLock lock(mutex_);
  bool any = false;
  for (const SegmentPointer& segment : segments_) {
    if (!segment->sealed.load() || segment->end_offset.load() > offset) break;
    end = segment->end_offset.load();
    any = true;
  }
  return any;
}

SegmentPointer SegmentList::oldest_sealed() const {
  const MutexLock lock(mutex_);
  if (segments_.empty() || !segments_.front()->sealed.load()) return nullptr;
  return segments_.front();
}

bool SegmentList::drop(const SegmentPointer& oldest) {
  const MutexLock lock(mutex_);
  if (segments_.empty() || segments_.front() != oldest) return false;
  segments_.pop_front();
  forget(*oldest);
  dropped_below_.store(std::max(dropped_below_.load(), oldest->end_offset.load()));
  oldest->dropped.store(true);
  return true;
}

Offset SegmentList::first_offset(Offset otherwise) const {
  const MutexLock lock(mutex_);
  return segments_.empty() ? otherwise : segments_.front()->first;
}

}  // namespace noroshi
