// KafkaProducer: librdkafka's producer as a call that blocks: messages go in, and for each of them
// comes back what the brokers said. Not thread-safe.
//
// librdkafka repeats by itself what it may (idempotent: in order, and once) until
// message.timeout.ms; what is left then is the caller's to send again. A producer that is given up
// in the middle of that, by a deadline or a fatal error, is replaced at the next call.
#pragma once

#include <librdkafka/rdkafka.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "output/kafka/kafka_library.h"

namespace noroshi {

struct KafkaMessage {
  std::string_view topic, payload;
  std::string_view key = {};
  bool has_key = false;
  int64_t time_ms = 0;
};

class KafkaProducer {
 public:
  // Owns `configuration`. Everything else outlives the producer.
  KafkaProducer(const KafkaLibrary& library, rd_kafka_conf_t* configuration, std::string component,
                const Clock& clock);
  KafkaProducer(const KafkaProducer&) = delete;
  KafkaProducer& operator=(const KafkaProducer&) = delete;
  ~KafkaProducer();

  // One code for each message, in their order; RD_KAFKA_RESP_ERR__TIMED_OUT for those that nothing
  // was heard of by `deadline`. `queue_full_retries`: seconds to wait for room in librdkafka's
  // queue. Errors: InvalidArgument (no producer can be made of the configuration).
  [[nodiscard]] Result<std::vector<rd_kafka_resp_err_t>> produce(
      const std::vector<KafkaMessage>& messages, int64_t queue_full_retries, Monotonic deadline);
  void close();

 private:
  static void on_delivery(rd_kafka_t* producer, const rd_kafka_message_t* message, void* self);
  static void on_log(const rd_kafka_t* producer, int level, const char* facility, const char* text);
  static void on_error(rd_kafka_t* producer, int code, const char* reason, void* self);
  [[nodiscard]] Status open();
  [[nodiscard]] rd_kafka_resp_err_t enqueue(const KafkaMessage& message, size_t index);

  const KafkaLibrary& library_;
  rd_kafka_conf_t* configuration_;
  const std::string component_;
  const Clock& clock_;
  rd_kafka_t* producer_ = nullptr;
  std::vector<rd_kafka_resp_err_t> results_;
  size_t outstanding_ = 0;
  bool fatal_ = false;
  LogEpisode log_episode_{};
};

}  // namespace noroshi
