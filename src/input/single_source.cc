#include "input/single_source.h"

namespace noroshi {
namespace {

constexpr auto kBrokenRetry = std::chrono::seconds(1);      // after an error that may pass
constexpr auto kFullRetry = std::chrono::milliseconds(50);  // full, but not (any more) paused

}  // namespace

SingleSource::SingleSource(boost::asio::io_context& loop, ChunkSink& sink, InputMetrics& metrics,
                           std::string log_name, std::function<void()> resumed)
    : sink_(sink),
      metrics_(metrics),
      log_name_(std::move(log_name)),
      resumed_(std::move(resumed)),
      retry_timer_(loop) {}

SingleSource::Taken SingleSource::try_once(Chunk& chunk) {
  const size_t records = chunk.records.size();
  if (sink_.paused()) return Taken::Full;
  const Status stored = sink_.ingest(chunk, metrics_);
  if (stored) return Taken::Yes;
  const ErrorCode code = stored.error().code;
  if (code == ErrorCode::Exhausted) return Taken::Full;
  if (code == ErrorCode::InvalidArgument || code == ErrorCode::Corrupt ||
      code == ErrorCode::NotFound) {
    metrics_.malformed.add(records);
    log_error(log_name_, "{} records cannot be stored and are dropped: {}", records,
              stored.error().message);
    chunk.clear();
    return Taken::Yes;
  }
  if (const auto times = log_broken_.admit()) {
    log_error(log_name_, "records cannot be stored, reading stops until they can ({} times): {}",
              times, stored.error().message);
  }
  return Taken::Broken;
}

bool SingleSource::hand_on(Chunk& chunk) {
  if (chunk.empty()) return true;
  const Taken taken = try_once(chunk);
  if (taken == Taken::Yes) return true;
  waiting_ = &chunk;
  waiting_since_ = system_clock().monotonic();
  wait(taken == Taken::Full);
  return false;
}

void SingleSource::wait(bool full) {
  const auto again = [this, still = std::weak_ptr(alive_)] {
    if (still.expired() || waiting_ == nullptr) return;
    const Taken taken = try_once(*waiting_);
    if (taken != Taken::Yes) return wait(taken == Taken::Full);
    const Nanoseconds waited = system_clock().monotonic() - waiting_since_;
    metrics_.paused_nanoseconds.add(static_cast<uint64_t>(waited.count()));
    waiting_ = nullptr;
    resumed_();
  };
  if (full && sink_.paused()) return sink_.when_resumed(again);
  retry_timer_.expires_after(full ? Nanoseconds(kFullRetry) : Nanoseconds(kBrokenRetry));
  retry_timer_.async_wait([again](boost::system::error_code error) {
    if (!error) again();
  });
}

bool SingleSource::close() {
  retry_timer_.cancel();
  Chunk* const last = std::exchange(waiting_, nullptr);
  if (last == nullptr) return true;
  const size_t records = last->records.size();
  if (try_once(*last) == Taken::Yes) return true;
  log_error(log_name_, "the journal takes nothing: {} records already read are lost", records);
  return false;
}

}  // namespace noroshi
