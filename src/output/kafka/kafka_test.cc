// The kafka output against librdkafka's own mock cluster, read back with librdkafka's consumer.
// clang-format off: rdkafka_mock.h wants rdkafka.h before it
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
// clang-format on

#include "output/kafka/kafka.h"

#include <dlfcn.h>
#include <gmock/gmock.h>

#include "output/kafka/kafka_library.h"
#include "output/testing/output_fixture.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kRecordTime;
using ::testing::Not;

// A function of the library that the output does not need.
template <typename Function>
Function* find(const char* name) {
  void* const handle = ::dlopen("librdkafka.so.1", RTLD_NOW);
  return reinterpret_cast<Function*>(::dlsym(handle, name));
}
#define RDKAFKA(function) find<decltype(::function)>(#function)

struct Received {
  std::string topic, key, payload;
  int64_t time_ms = 0;
};

class KafkaTest : public testing::OutputFixture {
 protected:
  void SetUp() override {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
    GTEST_SKIP() << "SKIPPED: librdkafka starts its threads with thrd_create(), which "
                    "ThreadSanitizer does not know: the first malloc() of one crashes";
#endif
#endif
    const auto library = KafkaLibrary::load();
    if (!library) GTEST_SKIP() << "SKIPPED: " << library.error().message;
    library_ = *library;
    char reason[512];
    host_ = library_->create(RD_KAFKA_PRODUCER, library_->conf_new(), reason, sizeof reason);
    cluster_ = RDKAFKA(rd_kafka_mock_cluster_new)(host_, 1);
    brokers_ = RDKAFKA(rd_kafka_mock_cluster_bootstraps)(cluster_);
    for (const char* topic : {"logs", "errors", "any"})
      ASSERT_EQ(RDKAFKA(rd_kafka_mock_topic_create)(cluster_, topic, 1, 1), 0);
  }
  void TearDown() override {
    output_.reset();
    if (cluster_ != nullptr) RDKAFKA(rd_kafka_mock_cluster_destroy)(cluster_);
    if (host_ != nullptr) library_->destroy(host_);
  }

  void use_kafka(Pairs pairs) {
    pairs.emplace_back("Brokers", brokers_);
    pairs.emplace_back("rdkafka.linger.ms", "0");
    use(kKafkaOutput, pairs);
  }
  static ChunkBuilder records(std::initializer_list<const char*> all) {
    ChunkBuilder chunk("app", Offset{20});
    for (const char* record : all) chunk.json(kRecordTime, record);
    return chunk;
  }

  // The first `count` messages of a topic.
  std::vector<Received> consume(const std::string& topic, size_t count) {
    rd_kafka_conf_t* const configuration = library_->conf_new();
    char reason[512];
    for (const auto& [name, value] :
         {std::pair<const char*, std::string>{"bootstrap.servers", brokers_},
          {"group.id", "test"},
          {"auto.offset.reset", "earliest"}}) {
      EXPECT_EQ(library_->conf_set(configuration, name, value.c_str(), reason, sizeof reason),
                RD_KAFKA_CONF_OK)
          << reason;
    }
    rd_kafka_t* const consumer =
        library_->create(RD_KAFKA_CONSUMER, configuration, reason, sizeof reason);
    EXPECT_NE(consumer, nullptr) << reason;
    rd_kafka_topic_partition_list_t* const list = RDKAFKA(rd_kafka_topic_partition_list_new)(1);
    RDKAFKA(rd_kafka_topic_partition_list_add)(list, topic.c_str(), 0)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    EXPECT_EQ(RDKAFKA(rd_kafka_assign)(consumer, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    RDKAFKA(rd_kafka_topic_partition_list_destroy)(list);
    std::vector<Received> received;
    const Monotonic deadline = system_clock().monotonic() + Seconds(20);
    while (received.size() < count && system_clock().monotonic() < deadline) {
      rd_kafka_message_t* const message = RDKAFKA(rd_kafka_consumer_poll)(consumer, 100);
      if (message == nullptr) continue;
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_timestamp_type_t type{};
        received.push_back({topic,
                            std::string(static_cast<const char*>(message->key), message->key_len),
                            std::string(static_cast<const char*>(message->payload), message->len),
                            RDKAFKA(rd_kafka_message_timestamp)(message, &type)});
      }
      RDKAFKA(rd_kafka_message_destroy)(message);
    }
    RDKAFKA(rd_kafka_consumer_close)(consumer);
    library_->destroy(consumer);
    EXPECT_EQ(received.size(), count);
    return received;
  }

  const KafkaLibrary* library_ = nullptr;
  rd_kafka_t* host_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  std::string brokers_;
};

TEST_F(KafkaTest, WhatIsProducedIsConsumedInOrder) {
  use_kafka({{"Topics", "logs"}, {"Message_Key_Field", "k"}, {"Message_Key", "otherwise"}});
  ChunkBuilder chunk;
  for (int i = 0; i < 500; ++i)
    chunk.json(kRecordTime + Milliseconds(i),
               R"({"n":)" + std::to_string(i) + (i % 2 ? R"(,"k":"odd"})" : "}"));
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
  const auto received = consume("logs", 500);
  for (size_t i = 0; i < received.size(); ++i) {
    EXPECT_THAT(received[i].payload, HasSubstr("\"n\":" + std::to_string(i)));
    EXPECT_EQ(received[i].key, i % 2 ? "odd" : "otherwise");
    EXPECT_EQ(received[i].time_ms, 1'763'866'380'123 + static_cast<int64_t>(i));
  }
}

TEST_F(KafkaTest, FormatsAndTopics) {
  use_kafka({{"Topics", "logs,errors"}, {"Topic_Key", "t"}});
  EXPECT_EQ(deliver(records({R"({"a":1})", R"({"t":"errors"})", R"({"t":"any","b":2})"})).outcome,
            Delivery::Outcome::Delivered);
  EXPECT_EQ(consume("errors", 1)[0].payload, R"({"@timestamp":1763866380.123457,"t":"errors"})");
  const auto logs = consume("logs", 2);
  EXPECT_EQ(logs[0].payload, R"({"@timestamp":1763866380.123457,"a":1})");
  EXPECT_EQ(logs[1].payload, R"({"@timestamp":1763866380.123457,"t":"any","b":2})");

  use_kafka({{"Topics", "errors"},
             {"Topic_Key", "t"},
             {"Dynamic_Topic", "on"},
             {"Format", "raw"},
             {"Raw_Log_Key", "log"}});
  EXPECT_EQ(deliver(records({R"({"t":"any","log":"raw line"})", R"({"no":"log"})"})).outcome,
            Delivery::Outcome::Delivered);
  EXPECT_EQ(refused_.size(), 1u);
  EXPECT_EQ(consume("any", 1)[0].payload, "raw line");

  use_kafka({{"Topics", "any"},
             {"Format", "msgpack"},
             {"Timestamp_Key", "time"},
             {"Timestamp_Format", "iso8601_ns"}});
  EXPECT_EQ(deliver(records({R"({"a":1})"})).outcome, Delivery::Outcome::Delivered);
  std::string json;
  EXPECT_TRUE(write_json(json, consume("any", 2)[1].payload));
  EXPECT_EQ(json, R"({"time":"2025-11-23T02:53:00.123456789Z","a":1})");
}

TEST_F(KafkaTest, OnlyWhatWasNotAcknowledgedIsSentAgain) {
  // One message a request; the broker refuses the second one for good as far as librdkafka goes.
  use_kafka({{"Topics", "logs"},
             {"rdkafka.batch.num.messages", "1"},
             {"rdkafka.enable.idempotence", "false"},
             {"rdkafka.retries", "0"},
             {"rdkafka.max.in.flight", "1"}});
  constexpr int16_t kProduce = 0;
  RDKAFKA(rd_kafka_mock_push_request_errors)(cluster_, kProduce, 3, RD_KAFKA_RESP_ERR_NO_ERROR,
                                             RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                             RD_KAFKA_RESP_ERR_NO_ERROR);
  const Delivery first = deliver(records({R"({"n":0})", R"({"n":1})", R"({"n":2})"}));
  EXPECT_EQ(first.outcome, Delivery::Outcome::Retry);
  EXPECT_THAT(batch_->settled_records().delivered, ElementsAre(Offset{20}, Offset{22}));
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Delivered);
  const auto received = consume("logs", 3);
  EXPECT_THAT(received[0].payload, HasSubstr("\"n\":0"));
  EXPECT_THAT(received[1].payload, HasSubstr("\"n\":2"));
  EXPECT_THAT(received[2].payload, HasSubstr("\"n\":1"));
}

TEST_F(KafkaTest, TransientErrorsAreLibrdkafkasToRepeat) {
  use_kafka({{"Topics", "logs"}, {"rdkafka.retry.backoff.ms", "10"}});
  constexpr int16_t kProduce = 0;
  RDKAFKA(rd_kafka_mock_push_request_errors)(cluster_, kProduce, 2,
                                             RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                             RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
  EXPECT_EQ(deliver(records({R"({"n":0})", R"({"n":1})"})).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(consume("logs", 2).size(), 2u);
}

TEST_F(KafkaTest, ATooLargeMessageIsOversize) {
  use_kafka({{"Topics", "logs"}, {"rdkafka.message.max.bytes", "1000"}});
  const std::string large = R"({"m":")" + std::string(5000, 'x') + R"("})";
  const Delivery delivery = deliver(records({R"({"n":0})", large.c_str(), R"({"n":1})"}));
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Delivered);
  ASSERT_EQ(delivery.rejected.size(), 1u);
  EXPECT_EQ(delivery.rejected[0].offset, Offset{21});
  EXPECT_EQ(delivery.rejected[0].reason, DropReason::Oversize);
  EXPECT_EQ(consume("logs", 2).size(), 2u);
}

TEST_F(KafkaTest, BrokersThatAreAwayKeepTheMessages) {
  auto made = make(kKafkaOutput, {{"Brokers", "127.0.0.1:1"}, {"Topics", "logs"}});
  ASSERT_TRUE(made) << diagnostics_.render();
  output_ = std::move(made->output);
  fill(records({R"({"n":0})"}));
  const Monotonic began = system_clock().monotonic();
  const Delivery delivery = output_->deliver(*batch_, began + Milliseconds(500));
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Retry);
  EXPECT_LT(system_clock().monotonic() - began, Seconds(5));
  EXPECT_TRUE(batch_->settled_records().delivered.empty());
}

TEST_F(KafkaTest, WrongOptionsAreNamed) {
  EXPECT_FALSE(make(kKafkaOutput, {}));
  EXPECT_FALSE(make(kKafkaOutput, {{"Brokers", "b"}, {"Topics", "a b"}}));
  EXPECT_FALSE(make(kKafkaOutput, {{"Brokers", "b"}, {"Format", "avro"}}));
  EXPECT_FALSE(make(kKafkaOutput, {{"Brokers", "b"}, {"aws_msk_iam", "true"}}));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("SCRAM"));
  EXPECT_FALSE(make(kKafkaOutput, {{"Brokers", "b"}, {"rdkafka.no.such.thing", "1"}}));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("rdkafka.no.such.thing"));
  EXPECT_FALSE(make(kKafkaOutput, {{"Brokers", "b"}, {"rdkafka.sasl.passwords", "very secret"}}));
  EXPECT_THAT(diagnostics_.render(), Not(HasSubstr("very secret")));
}

}  // namespace
}  // namespace noroshi
