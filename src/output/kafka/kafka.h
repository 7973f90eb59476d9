// Output kafka: messages to Apache Kafka. README.md is its manual.
#pragma once

#include <string>

#include "output/plugin.h"
#include "output/request/record_encoder.h"

namespace noroshi {

enum class KafkaFormat { Json, Msgpack, Gelf, Raw };
enum class KafkaTimeFormat { Double, Iso8601, Iso8601Nanoseconds };

struct KafkaOptions : RecordFormatOptions {
  LocatedText brokers;
  std::string topics;
  std::string topic_key;
  bool dynamic_topic = false;
  std::string message_key, message_key_field;
  KafkaFormat format = KafkaFormat::Json;
  std::string raw_log_key;
  std::string timestamp_key;
  KafkaTimeFormat timestamp_format = KafkaTimeFormat::Double;
  int64_t queue_full_retries = 10;
  std::string client_id;
  bool aws_msk_iam = false;
};

[[nodiscard]] const OptionTable<KafkaOptions>& kafka_option_table();

extern const OutputPlugin kKafkaOutput;

}  // namespace noroshi
