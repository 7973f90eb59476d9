// WaitingFilter: a filter whose first records may come before what it needs is known. They wait,
// with their acks, until it is settled: what is needed is there, or will not come soon.
//
// Held are at most kWaitingBytesMax; more, and all go on at once. The order of the records is kept.
#pragma once

#include <vector>

#include "filter/filter.h"

namespace noroshi {

inline constexpr size_t kWaitingBytesMax = 4 << 20;

class WaitingFilter : public Filter {
 public:
  void apply(Chunk& chunk, FilterOutput& output, FilterMetrics&) final;
  void on_tick(FilterOutput& output, FilterMetrics&) final;
  void flush(FilterOutput& output, FilterMetrics&) final;

 private:
  // Asked before the first chunk passes, and again until it says yes.
  virtual bool settled() = 0;
  virtual void change(Chunk& chunk) = 0;

  void release(FilterOutput& output);

  std::vector<Chunk> held_;
  size_t held_bytes_ = 0;
  bool passing_ = false;
};

}  // namespace noroshi
