#include "app/ship/send_queue.h"

namespace noroshi::ship {

void SendQueue::push(FrameBlock block) {
  MutexLock lock(mutex_);
  const auto fits = [&]() REQUIRES(mutex_) {
    return blocks_.empty() || (records_ + block.records() <= limits_.records &&
                               bytes_ + block.bytes.size() <= limits_.bytes);
  };
  while (!abandoned_ && !limits_.drop_when_full && !fits()) not_full_.wait(mutex_);
  if (abandoned_ || !fits()) {
    dropped_ += block.records();
    return;
  }
  records_ += block.records();
  bytes_ += block.bytes.size();
  blocks_.push_back(std::move(block));
  not_empty_.notify_one();
}

std::optional<FrameBlock> SendQueue::pop(Monotonic deadline) {
  MutexLock lock(mutex_);
  while (blocks_.empty() && !finished_ && !abandoned_) {
    if (!not_empty_.wait_until(mutex_, deadline)) break;
  }
  if (blocks_.empty()) return std::nullopt;
  FrameBlock block = std::move(blocks_.front());
  blocks_.pop_front();
  records_ -= block.records();
  bytes_ -= block.bytes.size();
  not_full_.notify_all();
  return block;
}

void SendQueue::finish() {
  MutexLock lock(mutex_);
  finished_ = true;
  not_empty_.notify_all();
}

void SendQueue::abandon() {
  MutexLock lock(mutex_);
  abandoned_ = true;
  for (const FrameBlock& block : blocks_) dropped_ += block.records();
  blocks_.clear();
  records_ = bytes_ = 0;
  not_empty_.notify_all();
  not_full_.notify_all();
}

bool SendQueue::finished() const {
  MutexLock lock(mutex_);
  return finished_ || abandoned_;
}
bool SendQueue::empty() const {
  MutexLock lock(mutex_);
  return blocks_.empty();
}
uint64_t SendQueue::dropped() const {
  MutexLock lock(mutex_);
  return dropped_;
}

}  // namespace noroshi::ship
