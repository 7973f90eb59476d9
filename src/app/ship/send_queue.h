// SendQueue: encoded frames between the threads that read lines and the one that sends. Bounded in
// records and bytes; when it is full the reader waits (and so, through the pipe, the application),
// or the newest records are dropped and counted, as Docker does. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"

namespace noroshi::ship {

// Frames back to back. Moved, never copied.
struct FrameBlock {
  std::string bytes = {};
  std::vector<uint32_t> sizes = {};       // of each frame
  std::vector<std::string> ack_ids = {};  // of each frame, or empty

  [[nodiscard]] size_t records() const { return sizes.size(); }
};

struct SendQueueLimits {
  size_t records = 1'048'576;  // Docker's fluentd-buffer-limit
  size_t bytes = 64 << 20;
  bool drop_when_full = false;
};

class SendQueue {
 public:
  explicit SendQueue(SendQueueLimits limits) : limits_(limits) {}

  // Waits for room, or drops. A block larger than the whole queue passes when the queue is empty.
  void push(FrameBlock block) EXCLUDES(mutex_);
  // The next block; nullopt when there is none until `deadline`, or none and nobody will push any
  // more.
  [[nodiscard]] std::optional<FrameBlock> pop(Monotonic deadline) EXCLUDES(mutex_);
  // No more pushes: pop() does not wait any longer.
  void finish() EXCLUDES(mutex_);
  // Gives everything up: what is inside and what is still pushed counts as dropped.
  void abandon() EXCLUDES(mutex_);

  [[nodiscard]] bool finished() const EXCLUDES(mutex_);
  [[nodiscard]] bool empty() const EXCLUDES(mutex_);
  [[nodiscard]] uint64_t dropped() const EXCLUDES(mutex_);

 private:
  const SendQueueLimits limits_;
  mutable Mutex mutex_;
  ConditionVariable not_empty_, not_full_;
  std::deque<FrameBlock> blocks_ GUARDED_BY(mutex_);
  size_t records_ GUARDED_BY(mutex_) = 0;
  size_t bytes_ GUARDED_BY(mutex_) = 0;
  uint64_t dropped_ GUARDED_BY(mutex_) = 0;
  bool finished_ GUARDED_BY(mutex_) = false;
  bool abandoned_ GUARDED_BY(mutex_) = false;
};

}  // namespace noroshi::ship
