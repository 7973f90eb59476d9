#include "filter/waiting_filter.h"

#include <utility>

namespace noroshi {

void WaitingFilter::apply(Chunk& chunk, FilterOutput& output, FilterMetrics&) {
  // What is held goes on with the next tick, before anything that comes now.
  if (!passing_ && held_.empty() && settled()) passing_ = true;
  if (passing_) return change(chunk);
  held_bytes_ += chunk.body.size();
  held_.push_back(std::move(chunk));
  chunk.clear();
  if (held_bytes_ > kWaitingBytesMax) release(output);
}

void WaitingFilter::on_tick(FilterOutput& output, FilterMetrics&) {
  if (!held_.empty() && settled()) release(output);
}

void WaitingFilter::flush(FilterOutput& output, FilterMetrics&) { release(output); }

void WaitingFilter::release(FilterOutput& output) {
  passing_ = true;
  held_bytes_ = 0;
  for (Chunk& chunk : std::exchange(held_, {})) {
    change(chunk);
    output.emit(chunk, false);
  }
}

}  // namespace noroshi
