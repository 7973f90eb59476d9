// KafkaLibrary: the few functions of librdkafka that the output calls, found in librdkafka.so.1
// when the first Kafka output is made. A program without one never loads the library.
//
// The table lives as long as the process: the library has threads of its own and is not unloaded.
#pragma once

#include <librdkafka/rdkafka.h>

#include "base/result.h"

namespace noroshi {

struct KafkaLibrary {
  decltype(&::rd_kafka_version_str) version_str;
  decltype(&::rd_kafka_err2str) err2str;
  decltype(&::rd_kafka_conf_new) conf_new;
  decltype(&::rd_kafka_conf_dup) conf_dup;
  decltype(&::rd_kafka_conf_set) conf_set;
  decltype(&::rd_kafka_conf_destroy) conf_destroy;
  decltype(&::rd_kafka_conf_set_opaque) conf_set_opaque;
  decltype(&::rd_kafka_conf_set_dr_msg_cb) conf_set_dr_msg_cb;
  decltype(&::rd_kafka_conf_set_log_cb) conf_set_log_cb;
  decltype(&::rd_kafka_conf_set_error_cb) conf_set_error_cb;
  decltype(&::rd_kafka_new) create;
  decltype(&::rd_kafka_destroy) destroy;
  decltype(&::rd_kafka_produceva) produceva;
  decltype(&::rd_kafka_poll) poll;
  decltype(&::rd_kafka_purge) purge;
  decltype(&::rd_kafka_error_code) error_code;
  decltype(&::rd_kafka_error_destroy) error_destroy;
  decltype(&::rd_kafka_opaque) opaque;

  // Loads it once. Errors: NotFound, saying which package has it.
  [[nodiscard]] static Result<const KafkaLibrary*> load();
};

}  // namespace noroshi
