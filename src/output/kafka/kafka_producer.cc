#include "output/kafka/kafka_producer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/thread_deadline.h"

namespace noroshi {
namespace {

constexpr Nanoseconds kPollSlice = kThreadDeadlineInterval;
constexpr Nanoseconds kQueueFullPause = Seconds(1);
// Syslog's levels, as librdkafka gives them: warning and worse are worth a line.
constexpr int kLogWarning = 4;

}  // namespace

KafkaProducer::KafkaProducer(const KafkaLibrary& library, rd_kafka_conf_t* configuration,
                             std::string component, const Clock& clock)
    : library_(library),
      configuration_(configuration),
      component_(std::move(component)),
      clock_(clock) {
  library_.conf_set_opaque(configuration_, this);
  library_.conf_set_dr_msg_cb(configuration_, on_delivery);
  library_.conf_set_log_cb(configuration_, on_log);
  library_.conf_set_error_cb(configuration_, on_error);
}

KafkaProducer::~KafkaProducer() {
  close();
  library_.conf_destroy(configuration_);
}

// Waits for librdkafka's threads; what is still in its queue is forgotten (and in the journal).
void KafkaProducer::close() {
  if (producer_ == nullptr) return;
  library_.purge(producer_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  library_.poll(producer_, 0);
  library_.destroy(producer_);
  producer_ = nullptr;
}

Status KafkaProducer::open() {
  if (producer_ != nullptr && !fatal_) return {};
  close();
  fatal_ = false;
  std::array<char, 512> reason{};
  rd_kafka_conf_t* const own = library_.conf_dup(configuration_);
  producer_ = library_.create(RD_KAFKA_PRODUCER, own, reason.data(), reason.size());
  if (producer_ != nullptr) return {};
  library_.conf_destroy(own);
  return fail(ErrorCode::InvalidArgument,
              fmt::format("librdkafka cannot make a producer: {}", reason.data()));
}

void KafkaProducer::on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
  auto& producer = *static_cast<KafkaProducer*>(self);
  const auto index = reinterpret_cast<uintptr_t>(message->_private) - 1;
  CHECK(index < producer.results_.size() && producer.outstanding_ > 0,
        "a delivery report for a message that was not sent");
  producer.results_[index] = message->err;
  --producer.outstanding_;
}

void KafkaProducer::on_log(const rd_kafka_t* producer, int level, const char* facility,
                           const char* text) {
  auto* const self = static_cast<KafkaProducer*>(KafkaLibrary::load().value()->opaque(producer));
  if (self == nullptr || level > kLogWarning) return;
  if (const auto times = self->log_episode_.admit())
    log_warn(self->component_, "librdkafka {}: {} ({} times)", facility, text, times);
}

// Ordinary errors (a broker that cannot be reached) are librdkafka's to mend.
void KafkaProducer::on_error(rd_kafka_t*, int code, const char* reason, void* self) {
  auto& producer = *static_cast<KafkaProducer*>(self);
  if (code == RD_KAFKA_RESP_ERR__FATAL) producer.fatal_ = true;
  if (const auto times = producer.log_episode_.admit())
    log_warn(producer.component_, "librdkafka: {} ({} times)", reason, times);
}

rd_kafka_resp_err_t KafkaProducer::enqueue(const KafkaMessage& message, size_t index) {
  std::array<rd_kafka_vu_t, 6> values{};
  const std::string topic(message.topic);
  size_t count = 0;
  values[count].vtype = RD_KAFKA_VTYPE_TOPIC;
  values[count++].u.cstr = topic.c_str();
  values[count].vtype = RD_KAFKA_VTYPE_VALUE;
  values[count].u.mem.ptr = const_cast<char*>(message.payload.data());
  values[count++].u.mem.size = message.payload.size();
  if (message.has_key) {
    values[count].vtype = RD_KAFKA_VTYPE_KEY;
    values[count].u.mem.ptr = const_cast<char*>(message.key.data());
    values[count++].u.mem.size = message.key.size();
  }
  values[count].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  values[count++].u.i = RD_KAFKA_MSG_F_COPY;
  values[count].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
  values[count++].u.i64 = message.time_ms;
  values[count].vtype = RD_KAFKA_VTYPE_OPAQUE;
  values[count++].u.ptr = reinterpret_cast<void*>(index + 1);
  rd_kafka_error_t* const error = library_.produceva(producer_, values.data(), count);
  if (error == nullptr) return RD_KAFKA_RESP_ERR_NO_ERROR;
  const rd_kafka_resp_err_t code = library_.error_code(error);
  library_.error_destroy(error);
  return code;
}

Result<std::vector<rd_kafka_resp_err_t>> KafkaProducer::produce(
    const std::vector<KafkaMessage>& messages, int64_t queue_full_retries, Monotonic deadline) {
  NOROSHI_TRY(open());
  results_.assign(messages.size(), RD_KAFKA_RESP_ERR__TIMED_OUT);
  outstanding_ = 0;
  // A shutdown may bring the end forward while we wait.
  const auto over = [&] {
    return clock_.monotonic() >= std::min(deadline, ThreadDeadline::current());
  };
  const auto poll = [&](Nanoseconds slice) {
    const auto left = std::min<Nanoseconds>(slice, deadline - clock_.monotonic());
    library_.poll(producer_, static_cast<int>(std::max<int64_t>(
                                 0, std::chrono::duration_cast<Milliseconds>(left).count())));
  };
  int64_t waits = 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    rd_kafka_resp_err_t code = enqueue(messages[i], i);
    while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && waits < queue_full_retries && !over()) {
      // Room comes with delivery reports.
      const Monotonic until = clock_.monotonic() + kQueueFullPause;
      while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && clock_.monotonic() < until && !over()) {
        poll(kPollSlice);
        code = enqueue(messages[i], i);
      }
      ++waits;
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++outstanding_;
      continue;
    }
    results_[i] = code;
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL || code == RD_KAFKA_RESP_ERR__FATAL) {
      // Nothing behind it may overtake it.
      std::fill(results_.begin() + static_cast<std::ptrdiff_t>(i), results_.end(), code);
      break;
    }
  }
  while (outstanding_ > 0 && !over()) poll(kPollSlice);
  std::vector<rd_kafka_resp_err_t> results = results_;
  // Reports that come later must not meet another batch's.
  if (outstanding_ > 0) close();
  return results;
}

}  // namespace noroshi
