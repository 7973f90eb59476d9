#include "output/kafka/kafka_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace noroshi {
namespace {

Result<KafkaLibrary> load_once() {
  void* handle = ::dlopen("librdkafka.so.1", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return fail(ErrorCode::NotFound,
                fmt::format("librdkafka.so.1 cannot be loaded: {}. Install it (Debian: "
                            "librdkafka1)",
                            ::dlerror()));
  }
  KafkaLibrary library{};
  std::string missing;
  const auto find = [&](auto& function, const char* name) {
    void* const symbol = ::dlsym(handle, name);
    if (symbol == nullptr) missing = name;
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol);
  };
  find(library.version_str, "rd_kafka_version_str");
  find(library.err2str, "rd_kafka_err2str");
  find(library.conf_new, "rd_kafka_conf_new");
  find(library.conf_dup, "rd_kafka_conf_dup");
  find(library.conf_set, "rd_kafka_conf_set");
  find(library.conf_destroy, "rd_kafka_conf_destroy");
  find(library.conf_set_opaque, "rd_kafka_conf_set_opaque");
  find(library.conf_set_dr_msg_cb, "rd_kafka_conf_set_dr_msg_cb");
  find(library.conf_set_log_cb, "rd_kafka_conf_set_log_cb");
  find(library.conf_set_error_cb, "rd_kafka_conf_set_error_cb");
  find(library.create, "rd_kafka_new");
  find(library.destroy, "rd_kafka_destroy");
  find(library.produceva, "rd_kafka_produceva");
  find(library.poll, "rd_kafka_poll");
  find(library.purge, "rd_kafka_purge");
  find(library.error_code, "rd_kafka_error_code");
  find(library.error_destroy, "rd_kafka_error_destroy");
  find(library.opaque, "rd_kafka_opaque");
  if (!missing.empty()) {
    return fail(ErrorCode::NotFound,
                fmt::format("librdkafka.so.1 has no {}: it is older than 1.5; install a newer one",
                            missing));
  }
  return library;
}

}  // namespace

Result<const KafkaLibrary*> KafkaLibrary::load() {
  static const Result<KafkaLibrary> library = load_once();
  if (!library) return std::unexpected(library.error());
  return &*library;
}

}  // namespace noroshi
