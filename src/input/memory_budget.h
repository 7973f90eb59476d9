// MemoryBudget: how many bytes of unfinished frames all connections of one input may hold together.
// A frame is usually there after one read and costs nothing here; this is for large chunks and slow
// senders.
//
// Who does not fit waits unread in a queue, its data stays with the peer and the kernel. The first
// of the queue may always go on, beyond the limit, so that somebody finishes; while others wait for
// it, it has a deadline (Server). Real use stays below limit + one frame. On the ingest thread
// only.
#pragma once

#include <cstddef>
#include <deque>

namespace noroshi {

template <typename Holder>
class MemoryBudget {
 public:
  explicit MemoryBudget(size_t limit) : limit_(limit) {}

  // May `holder`, which holds `held` of used(), hold `wanted`? If not it is queued.
  [[nodiscard]] bool may_grow(Holder* holder, size_t held, size_t wanted) {
    if (used_ - held + wanted <= limit_) return leave_queue(holder), true;
    if (queue_.empty() || (queue_.front() != holder && !queued(holder))) queue_.push_back(holder);
    return queue_.front() == holder;
  }
  void change(size_t from, size_t to) { used_ += to - from; }
  // The first of the queue, whom everybody behind it waits for; null if nobody waits.
  [[nodiscard]] Holder* first() const { return queue_.empty() ? nullptr : queue_.front(); }
  [[nodiscard]] bool others_wait() const { return queue_.size() > 1; }
  [[nodiscard]] bool queued(const Holder* holder) const {
    for (const Holder* each : queue_) {
      if (each == holder) return true;
    }
    return false;
  }
  void leave_queue(const Holder* holder) { std::erase(queue_, holder); }
  [[nodiscard]] size_t used() const { return used_; }
  [[nodiscard]] size_t limit() const { return limit_; }

 private:
  size_t limit_;
  size_t used_ = 0;
  std::deque<Holder*> queue_;
};

}  // namespace noroshi
