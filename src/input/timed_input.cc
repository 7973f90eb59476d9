#include "input/timed_input.h"

namespace noroshi {

Status TimedInput::bind(boost::asio::io_context& loop) {
  loop_ = &loop;
  return {};
}

void TimedInput::start(ChunkSink& sink, InputMetrics& metrics) {
  source_.emplace(*loop_, sink, metrics, log_name_, [this] { resumed(); });
  timer_.emplace(*loop_);
  begin();
}

void TimedInput::close() {
  closed_ = true;
  if (timer_) timer_->cancel();
  if (source_) source_->close();
}

void TimedInput::wait_for(Nanoseconds time) {
  timer_->expires_after(time);
  timer_->async_wait([this](boost::system::error_code error) {
    if (!error) tick();
  });
}

}  // namespace noroshi
