#include "output/kafka/kafka.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "config/split_list.h"
#include "output/kafka/kafka_producer.h"
#include "output/request/item_output.h"
#include "output/request/key_text.h"
#include "record/json_writer.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"
#include "record/record_accessor.h"
#include "record/valid_record.h"

namespace noroshi {
namespace {

constexpr size_t kTopicBytesMax = 249;
// Messages of one batch, and their bytes; message.max.bytes is 1,000,000 unless set.
constexpr uint32_t kMessagesMax = 10'000;
constexpr uint32_t kBatchBytesMax = 1 << 20;
// One attempt; librdkafka's message.timeout.ms is a little shorter, so that nothing is left open.
constexpr Nanoseconds kSendDeadline = Seconds(70);
constexpr const char* kMessageTimeoutMs = "60000";
// What librdkafka may hold: several batches, not its default of 1 GB.
constexpr const char* kQueueKilobytes = "16384";

bool is_topic_name(std::string_view name) {
  return !name.empty() && name.size() <= kTopicBytesMax && name != "." && name != ".." &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

// An item: time (8 bytes), size of topic (4), size of key plus one, 0 without (4), topic, key,
// payload. Host byte order: it never leaves the process.
struct ItemHead {
  int64_t time_ms = 0;
  uint32_t topic_size = 0;
  uint32_t key_size_plus_one = 0;
};

KafkaMessage message_of(std::string_view item) {
  ItemHead head;
  std::memcpy(&head, item.data(), sizeof head);
  item.remove_prefix(sizeof head);
  KafkaMessage message{.topic = item.substr(0, head.topic_size), .payload = {}};
  message.time_ms = head.time_ms;
  item.remove_prefix(head.topic_size);
  if (head.key_size_plus_one > 0) {
    message.has_key = true;
    message.key = item.substr(0, head.key_size_plus_one - 1);
    item.remove_prefix(message.key.size());
  }
  message.payload = item;
  return message;
}

class KafkaProtocol final : public ItemProtocol {
 public:
  KafkaProtocol(const KafkaOptions& options, std::vector<std::string> topics, RecordEncoder gelf,
                const KafkaLibrary& library, std::unique_ptr<KafkaProducer> producer,
                std::string component, const Clock& clock)
      : options_(options),
        topics_(std::move(topics)),
        gelf_(std::move(gelf)),
        library_(library),
        producer_(std::move(producer)),
        component_(std::move(component)),
        clock_(clock) {}

  ItemLimits limits() const override {
    return {.items_max = kMessagesMax, .bytes_max = kBatchBytesMax};
  }

  Encoded encode(const ChunkView& chunk, uint32_t index, std::string& out, size_t) override {
    const RecordEntry& entry = chunk.records[index];
    const std::string_view record = chunk.record(entry);
    if (!is_valid_record(record)) return Encoded::NotEncodable;
    const std::string topic = topic_of(record);
    std::optional<std::string> key;
    if (!options_.message_key_field.empty()) {
      if (const auto value = find_key(record, options_.message_key_field))
        static_cast<void>(append_value_text(key.emplace(), *value));
    }
    if (!key && !options_.message_key.empty()) key = options_.message_key;
    ItemHead head;
    head.time_ms = std::max<int64_t>(
        0, std::chrono::floor<Milliseconds>(entry.time.time_since_epoch()).count());
    head.topic_size = static_cast<uint32_t>(topic.size());
    head.key_size_plus_one = key ? static_cast<uint32_t>(key->size()) + 1 : 0;
    const size_t before = out.size();
    out.append(reinterpret_cast<const char*>(&head), sizeof head);
    out += topic;
    if (key) out += *key;
    if (append_payload(out, chunk, entry, record)) return Encoded::Appended;
    out.resize(before);
    return Encoded::NotEncodable;
  }

  RequestAnswer send(ItemBatch& batch, std::span<const uint32_t> items,
                     Monotonic deadline) override {
    std::vector<KafkaMessage> messages;
    messages.reserve(items.size());
    for (const uint32_t item : items) messages.push_back(message_of(batch.item(item)));
    const auto results = producer_->produce(messages, options_.queue_full_retries,
                                            std::min(deadline, clock_.monotonic() + kSendDeadline));
    if (!results) return RequestAnswer::retry(RetryClass::Auth, results.error().message);
    RequestAnswer answer = RequestAnswer::answered();
    std::string first;
    for (size_t i = 0; i < items.size(); ++i) {
      const rd_kafka_resp_err_t code = (*results)[i];
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      if (first.empty()) first = library_.err2str(code);
      switch (code) {
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
          answer.refused.push_back({.item = items[i], .reason = DropReason::Oversize});
          break;
        case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
          answer.refused.push_back({.item = items[i], .reason = DropReason::Rejected});
          break;
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR__AUTHENTICATION:
          answer.retry_class = RetryClass::Auth;
          answer.again.push_back(items[i]);
          break;
        case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED:
        case RD_KAFKA_RESP_ERR__QUEUE_FULL:
          answer.retry_class = RetryClass::Throttled;
          answer.again.push_back(items[i]);
          break;
        default:
          answer.again.push_back(items[i]);
      }
    }
    if (!first.empty()) {
      answer.reason = fmt::format("of {} messages {} were not acknowledged and {} refused: {}",
                                  items.size(), answer.again.size(), answer.refused.size(), first);
    }
    return answer;
  }
  void stop() override { producer_->close(); }

 private:
  std::string topic_of(std::string_view record) {
    if (options_.topic_key.empty()) return topics_.front();
    const auto value = find_key(record, options_.topic_key);
    std::string name;
    if (!value || !append_value_text(name, *value)) return topics_.front();
    if (std::ranges::find(topics_, name) != topics_.end()) return name;
    if (options_.dynamic_topic && is_topic_name(name)) return name;
    if (const auto times = topic_episode_.admit()) {
      log_warn(component_, "records for a topic that is not among `topics` go to {} ({} times)",
               topics_.front(), times);
    }
    return topics_.front();
  }

  bool append_payload(std::string& out, const ChunkView& chunk, const RecordEntry& entry,
                      std::string_view record) {
    switch (options_.format) {
      case KafkaFormat::Gelf:
        return gelf_.append(out, chunk, entry);
      case KafkaFormat::Raw: {
        if (options_.raw_log_key.empty()) return write_json(out, record).has_value();
        const auto value = find_key(record, options_.raw_log_key);
        return value && append_value_text(out, *value);
      }
      case KafkaFormat::Json:
        out += '{';
        write_json_string(out, options_.timestamp_key);
        out += ':';
        write_time(out, entry.time);
        append_pairs(record, [&](const MapPair& pair) {
          out += ',';
          write_json_string(out, key_text(pair, text_));
          out += ':';
          static_cast<void>(write_json(out, pair.value));  // was validated
        });
        out += '}';
        return true;
      case KafkaFormat::Msgpack: {
        MsgpackWriter writer(out);
        const size_t map = writer.begin_map();
        writer.string(options_.timestamp_key);
        if (options_.timestamp_format == KafkaTimeFormat::Double) {
          writer.number(static_cast<double>(entry.time.time_since_epoch().count()) / 1e9);
        } else {
          text_.clear();
          write_time(text_, entry.time);
          writer.string(std::string_view(text_).substr(1, text_.size() - 2));
        }
        uint32_t count = 1;
        append_pairs(record, [&](const MapPair& pair) {
          writer.raw(pair.bytes());
          ++count;
        });
        writer.end_map(map, count);
        return true;
      }
    }
    return false;
  }
  // All but the record's own timestamp_key: a key stands there once.
  template <typename Append>
  void append_pairs(std::string_view record, Append&& append) {
    MapPairs pairs(record);
    for (MapPair pair; pairs.next(pair);) {
      if (pair.name != options_.timestamp_key || pair.name.data() == nullptr) append(pair);
    }
  }
  void write_time(std::string& out, Timestamp time) const {
    switch (options_.timestamp_format) {
      case KafkaTimeFormat::Double:
        out += fmt::format("{:.6f}", static_cast<double>(time.time_since_epoch().count()) / 1e9);
        break;
      case KafkaTimeFormat::Iso8601:
        write_json_string(out, format_time("%Y-%m-%dT%H:%M:%S.%6NZ", time));
        break;
      case KafkaTimeFormat::Iso8601Nanoseconds:
        write_json_string(out, format_time("%Y-%m-%dT%H:%M:%S.%9NZ", time));
        break;
    }
  }

  const KafkaOptions options_;
  const std::vector<std::string> topics_;
  RecordEncoder gelf_;
  const KafkaLibrary& library_;
  std::unique_ptr<KafkaProducer> producer_;
  const std::string component_;
  const Clock& clock_;
  std::string text_;
  LogEpisode topic_episode_{Seconds(3600)};
};

struct ConfigurationDeleter {
  const KafkaLibrary* library;
  void operator()(rd_kafka_conf_t* configuration) const { library->conf_destroy(configuration); }
};
using Configuration = std::unique_ptr<rd_kafka_conf_t, ConfigurationDeleter>;

// Ours first, so that rdkafka.* of the section wins.
Configuration make_configuration(const KafkaLibrary& library, const Section& section,
                                 const KafkaOptions& options, Diagnostics& diagnostics) {
  Configuration configuration(library.conf_new(), {&library});
  const auto set = [&](const std::string& name, const std::string& value,
                       const SourceLocation& where) {
    char reason[512] = {};
    if (library.conf_set(configuration.get(), name.c_str(), value.c_str(), reason, sizeof reason) ==
        RD_KAFKA_CONF_OK) {
      return;
    }
    // The reason of a wrong password would hold it.
    const bool secret = name.find("password") != std::string::npos ||
                        name.find("secret") != std::string::npos ||
                        name.find(".pem") != std::string::npos;
    diagnostics.error(where, fmt::format("rdkafka.{}: {}", name,
                                         secret ? "librdkafka does not take this value" : reason));
  };
  set("bootstrap.servers", options.brokers.text, options.brokers.where);
  set("client.id", options.client_id, section.where_of("client_id"));
  set("enable.idempotence", "true", section.where);
  set("message.timeout.ms", kMessageTimeoutMs, section.where);
  set("queue.buffering.max.kbytes", kQueueKilobytes, section.where);
  for (const Property& property : section.properties) {
    constexpr std::string_view kPrefix = "rdkafka.";
    if (!property.name.starts_with(kPrefix) || property.value().empty()) continue;
    set(property.name.substr(kPrefix.size()), property.value(),
        property.name.find("password") == std::string::npos ? property.where()
                                                            : property.key_where);
  }
  return configuration;
}

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const KafkaOptions options = kafka_option_table().parse(section, diagnostics);
  std::vector<std::string> topics = split_list(options.topics);
  for (const std::string& topic : topics) {
    if (!is_topic_name(topic)) {
      diagnostics.error(section.where_of("topics"),
                        fmt::format("\"{}\" cannot be the name of a topic: 1 to {} characters of "
                                    "a-z A-Z 0-9 . _ -",
                                    topic, kTopicBytesMax));
    }
  }
  if (topics.empty()) diagnostics.error(section.where_of("topics"), "topics names no topic");
  if (options.aws_msk_iam) {
    diagnostics.error(section.where_of("aws_msk_iam"), "IAM authentication of MSK is not spoken")
        .help(
            "use SASL/SCRAM: rdkafka.security.protocol SASL_SSL, rdkafka.sasl.mechanism "
            "SCRAM-SHA-512, rdkafka.sasl.username, rdkafka.sasl.password");
  }
  RecordEncoderOptions gelf = make_record_encoder_options(options, RecordFormat::Gelf, diagnostics);
  const auto library = KafkaLibrary::load();
  if (!library) {
    diagnostics.error(section.where, library.error().message);
    return std::nullopt;
  }
  Configuration configuration = make_configuration(**library, section, options, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;

  const std::string component = "output:" + context.instance_name;
  ItemOutputNames names{
      .destination =
          fmt::format("Kafka {}, topic {}", options.brokers.text, fmt::join(topics, ", ")),
      .identity = fmt::format("kafka:{}:{}", options.brokers.text, fmt::join(topics, ","))};
  auto producer =
      std::make_unique<KafkaProducer>(**library, configuration.release(), component, context.clock);
  return make_item_output(
      std::move(names),
      std::make_unique<KafkaProtocol>(options, std::move(topics), RecordEncoder(std::move(gelf)),
                                      **library, std::move(producer), component, context.clock),
      context);
}

}  // namespace

const OptionTable<KafkaOptions>& kafka_option_table() {
  using O = KafkaOptions;
  static const auto table = [] {
    OptionTable<O> made("kafka", "Messages to Apache Kafka.");
    made.required("brokers", &O::brokers, "host:port, with commas between them.")
        .option("topics", &O::topics, "fluent-bit",
                "Topics, with commas between them; the first takes what topic_key does not decide.")
        .option("topic_key", &O::topic_key, "Key of the record that names one of the topics.")
        .option("dynamic_topic", &O::dynamic_topic, "off",
                "topic_key may name any topic, not only those in topics.")
        .option("message_key", &O::message_key, "Key of every message.")
        .option("message_key_field", &O::message_key_field,
                "Key of the record whose value is the message's key; where it is missing "
                "message_key holds.")
        .choice("format", &O::format, "json",
                {{"json", KafkaFormat::Json},
                 {"msgpack", KafkaFormat::Msgpack},
                 {"gelf", KafkaFormat::Gelf},
                 {"raw", KafkaFormat::Raw}},
                "json and msgpack: the record with its time; gelf; raw: the value of raw_log_key.")
        .option("raw_log_key", &O::raw_log_key,
                "For raw; not set: the record as JSON, without the time.")
        .option("timestamp_key", &O::timestamp_key, "@timestamp", "Key of the time.")
        .choice("timestamp_format", &O::timestamp_format, "double",
                {{"double", KafkaTimeFormat::Double},
                 {"iso8601", KafkaTimeFormat::Iso8601},
                 {"iso8601_ns", KafkaTimeFormat::Iso8601Nanoseconds}},
                "Its format.")
        .option("queue_full_retries", &O::queue_full_retries, "10",
                "Seconds to wait for room in librdkafka's queue within one attempt.")
        .between("0", "60")
        .option("client_id", &O::client_id, "noroshi", "client.id.")
        .option("aws_msk_iam", &O::aws_msk_iam, "off", "Not supported: on is an error.")
        .ignored("rdkafka.*",
                 "Passed to librdkafka: rdkafka.compression.codec, rdkafka.security.protocol … It "
                 "says what is wrong.")
        .ignored("group_id", "Of consumers only.")
        .ignored("aws_msk_iam_cluster_arn", "Without aws_msk_iam it has no effect.")
        .ignored("otlp_logs_partition_by_resource", "There is no OTLP format here.");
    add_gelf_options(made);
    return made;
  }();
  return table;
}

const OutputPlugin kKafkaOutput = {
    .name = "kafka",
    .aliases = {},
    .summary = "Messages to Apache Kafka",
    .options = [] { return kafka_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
