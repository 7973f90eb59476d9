// Firehose and Kinesis Data Streams against a service that answers as the test says.
#include "output/aws_records/aws_records.h"

#include <gmock/gmock.h>
#include <simdjson.h>

#include "base/base64.h"
#include "output/aws_records/records_answer.h"
#include "output/kinesis_firehose/kinesis_firehose.h"
#include "output/kinesis_streams/kinesis_streams.h"
#include "output/testing/output_fixture.h"
#include "record/json_parser.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kRecordTime;

std::string encoded(std::string_view bytes) {
  std::string text;
  append_base64(text, bytes);
  return text;
}

class AwsRecordsTest : public testing::OutputFixture {
 protected:
  static ChunkBuilder records(int count) {
    ChunkBuilder chunk("app", Offset{100});
    for (int i = 0; i < count; ++i)
      chunk.json(kRecordTime, R"({"n":)" + std::to_string(i) + R"(,"log":"line","a.b":true})");
    return chunk;
  }
  // One request with one record; its data.
  std::string firehose_body(Pairs pairs, std::string name = {}) {
    pairs.emplace_back("delivery_stream", "logs");
    use(kKinesisFirehoseOutput, pairs, std::move(name));
    fake_.http.answer(200, R"({"FailedPutCount":0,"RequestResponses":[{"RecordId":"1"}]})");
    EXPECT_EQ(deliver(records(1)).outcome, Delivery::Outcome::Delivered);
    return request(request_count() - 1).body;
  }
  static std::string firehose(std::string_view data) {
    return R"({"DeliveryStreamName":"logs","Records":[{"Data":")" + encoded(data) + R"("}]})";
  }
};

TEST_F(AwsRecordsTest, FirehoseRequest) {
  EXPECT_EQ(firehose_body({}), firehose("{\"n\":0,\"log\":\"line\",\"a.b\":true}\n"));
  EXPECT_EQ(request().url, "https://firehose.eu-west-1.amazonaws.com/");
  EXPECT_EQ(request().headers.get("X-Amz-Target"), "Firehose_20150804.PutRecordBatch");
  EXPECT_EQ(request().headers.get("Content-Type"), "application/x-amz-json-1.1");
  EXPECT_THAT(std::string(request().headers.get("Authorization")),
              HasSubstr("/eu-west-1/firehose/aws4_request"));
}

TEST_F(AwsRecordsTest, WhatARecordHolds) {
  EXPECT_EQ(firehose_body({{"log_key", "log"}}), firehose("line\n"));
  EXPECT_EQ(firehose_body({{"log_key", "n"}}), firehose("0\n"));
  EXPECT_EQ(firehose_body({{"log_key", "absent"}}),
            firehose("{\"n\":0,\"log\":\"line\",\"a.b\":true}\n"));
  EXPECT_EQ(metrics_.log_key_missing.get(), 1u);
  EXPECT_EQ(firehose_body({{"data_keys", "n, log"}}), firehose("{\"n\":0,\"log\":\"line\"}\n"));
  EXPECT_EQ(firehose_body({{"data_keys", "n"}, {"time_key", "t"}}),
            firehose("{\"n\":0,\"t\":\"2025-11-23T02:53:00\"}\n"));
  EXPECT_EQ(firehose_body({{"data_keys", "n"}, {"time_key", "t"}, {"time_key_format", "%L"}}),
            firehose("{\"n\":0,\"t\":\"123456789\"}\n"));
  EXPECT_EQ(
      firehose_body({{"data_keys", "n"}, {"time_key", "t"}, {"time_key_format", "%L"}}, "firehose"),
      firehose("{\"n\":0,\"t\":\"123\"}\n"));
  EXPECT_EQ(firehose_body({{"replace_dots", "_"}}),
            firehose("{\"n\":0,\"log\":\"line\",\"a_b\":true}\n"));
  EXPECT_EQ(firehose_body({{"append_newline", "off"}, {"log_key", "log"}}), firehose("line"));
}

TEST_F(AwsRecordsTest, SimpleAggregationPutsManyLinesIntoOneRecord) {
  use(kKinesisFirehoseOutput,
      {{"delivery_stream", "logs"}, {"simple_aggregation", "on"}, {"log_key", "n"}});
  fake_.http.answer(200,
                    R"({"FailedPutCount":1,"RequestResponses":[{"ErrorCode":"InternalFailure"}]})");
  fake_.http.answer(200, R"({"FailedPutCount":0,"RequestResponses":[{"RecordId":"1"}]})");
  EXPECT_EQ(fill(records(3)), 3u);
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Retry);
  EXPECT_THAT(batch_->settled_records().delivered, IsEmpty());
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request(1).body, firehose("0\n1\n2\n"));
  EXPECT_THAT(batch_->settled_records().delivered,
              ElementsAre(Offset{100}, Offset{101}, Offset{102}));
}

TEST_F(AwsRecordsTest, OnlyWhatWasNotAcceptedIsSentAgain) {
  use(kKinesisFirehoseOutput, {{"delivery_stream", "logs"}, {"log_key", "n"}});
  fake_.http.answer(200, R"({"FailedPutCount":2,"RequestResponses":[{"RecordId":"1"},
      {"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."},{"RecordId":"2"},
      {"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."}]})");
  fake_.http.answer(
      200, R"({"FailedPutCount":0,"RequestResponses":[{"RecordId":"3"},{"RecordId":"4"}]})");
  const Delivery first = deliver(records(4));
  EXPECT_EQ(first.outcome, Delivery::Outcome::Retry);
  EXPECT_EQ(first.reason,
            "Firehose_20150804.PutRecordBatch: 2 of 4 records were not accepted: "
            "ServiceUnavailableException: Slow down.");
  EXPECT_THAT(batch_->settled_records().delivered, ElementsAre(Offset{100}, Offset{102}));
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request(1).body, R"({"DeliveryStreamName":"logs","Records":[{"Data":")" +
                                 encoded("1\n") + R"("},{"Data":")" + encoded("3\n") + R"("}]})");
}

TEST_F(AwsRecordsTest, KinesisRequest) {
  use(kKinesisStreamsOutput,
      {{"stream", "events"}, {"partition_key", "$k['p']"}, {"log_key", "log"}});
  ChunkBuilder chunk("app", Offset{7});
  chunk.json(kRecordTime, R"({"log":"a","k":{"p":"pod-1"}})")
      .json(kRecordTime, R"({"log":"b","k":{"p":17}})")
      .json(kRecordTime, R"({"log":"c"})");
  fake_.http.answer(200, R"({"FailedRecordCount":1,"Records":[{"SequenceNumber":"1","ShardId":"s"},
      {"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded"},
      {"SequenceNumber":"2","ShardId":"s"}]})");
  const Delivery delivery = deliver(chunk);
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Retry);
  EXPECT_EQ(delivery.retry_class, RetryClass::Throttled);
  EXPECT_EQ(request().url, "https://kinesis.eu-west-1.amazonaws.com/");
  EXPECT_EQ(request().headers.get("X-Amz-Target"), "Kinesis_20131202.PutRecords");
  EXPECT_THAT(request().body, HasSubstr(R"({"StreamName":"events","Records":[{"Data":")" +
                                        encoded("a\n") + R"(","PartitionKey":"pod-1"},{"Data":")" +
                                        encoded("b\n") + R"(","PartitionKey":"17"},{"Data":")" +
                                        encoded("c\n") + R"(","PartitionKey":")"));
  fake_.http.answer(200,
                    R"({"FailedRecordCount":0,"Records":[{"SequenceNumber":"3","ShardId":"s"}]})");
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request(1).body, R"({"StreamName":"events","Records":[{"Data":")" + encoded("b\n") +
                                 R"(","PartitionKey":"17"}]})");
}

TEST_F(AwsRecordsTest, TheGoPluginOfKinesis) {
  use(kKinesisStreamsOutput, {{"stream", "events"}, {"partition_key", "k->p"}, {"log_key", "log"}},
      "kinesis");
  ChunkBuilder chunk;
  chunk.json(kRecordTime, R"({"log":"a","k":{"p":"pod"}})");
  fake_.http.answer(200, R"({"Records":[{"SequenceNumber":"1","ShardId":"s"}]})");
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request().body, R"({"StreamName":"events","Records":[{"Data":")" + encoded("a") +
                                R"(","PartitionKey":"pod"}]})");
}

TEST_F(AwsRecordsTest, AggregatedRecordsOfKinesisKeepTheirKeys) {
  use(kKinesisStreamsOutput, {{"stream", "events"},
                              {"partition_key", "k"},
                              {"log_key", "log"},
                              {"simple_aggregation", "on"}});
  ChunkBuilder chunk;
  for (const char* record : {R"({"log":"1","k":"x"})", R"({"log":"2","k":"x"})", R"({"log":"3"})",
                             R"({"log":"4","k":"y"})"}) {
    chunk.json(kRecordTime, record);
  }
  fake_.http.answer(200, R"({"Records":[{"SequenceNumber":"1"},{"SequenceNumber":"2"}]})");
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request().body, R"({"StreamName":"events","Records":[{"Data":")" +
                                encoded("1\n2\n3\n") + R"(","PartitionKey":"x"},{"Data":")" +
                                encoded("4\n") + R"(","PartitionKey":"y"}]})");
}

// The bytes are those of a writer in Python; AWS' own aws-kinesis-agg (npm) reads ours.
TEST_F(AwsRecordsTest, AggregatesOfTheKinesisProducerLibrary) {
  use(kKinesisStreamsOutput,
      {{"stream", "events"}, {"partition_key", "k"}, {"log_key", "log"}, {"aggregation", "true"}},
      "kinesis");
  ChunkBuilder chunk;
  for (const char* record : {R"({"log":"one","k":"x"})", R"({"log":"two","k":"x"})",
                             R"({"log":"three"})", R"({"log":"four","k":"y"})"})
    chunk.json(kRecordTime, record);
  fake_.http.answer(200, R"({"Records":[{"SequenceNumber":"1"},{"SequenceNumber":"2"}]})");
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(request().body,
            R"({"StreamName":"events","Records":[)"
            R"({"Data":"84mawgoBeBoHCAAaA29uZRoHCAAaA3R3bxoJCAAaBXRocmVl/WQpxGTSVCvJRgWr5Ww7vw==",)"
            R"("PartitionKey":"x"},)"
            R"({"Data":"84mawgoBeRoICAAaBGZvdXKifl6URDQl9e/Amhwmk7JR","PartitionKey":"y"}]})");
}

// A record of the stream stays below Kinesis' limit with all that is around its members.
TEST_F(AwsRecordsTest, AggregatesAreBounded) {
  use(kKinesisStreamsOutput, {{"stream", "events"}, {"log_key", "log"}, {"aggregation", "on"}});
  ChunkBuilder chunk;
  const std::string text(349'400, 'x');  // three fit, and hardly more
  for (int i = 0; i < 6; ++i) chunk.json(kRecordTime, R"({"log":")" + text + R"("})");
  fake_.http.answer(200, R"({"Records":[{"SequenceNumber":"1"},{"SequenceNumber":"2"}]})");
  EXPECT_EQ(deliver(chunk).outcome, Delivery::Outcome::Delivered);
  simdjson::dom::parser parser;
  size_t records = 0, members = 0;
  const std::string body = request().body;
  for (const auto record : parser.parse(body)["Records"].get_array()) {
    const std::string_view data = record["Data"].get_string().value();
    const std::string_view key = record["PartitionKey"].get_string().value();
    const size_t bytes = data.size() / 4 * 3;
    EXPECT_LE(bytes + key.size(), kinesis_limits::kRecordBytesMax);
    ++records;
    members += bytes / text.size();
  }
  EXPECT_EQ(records, 2u);
  EXPECT_EQ(members, 6u);
}

TEST_F(AwsRecordsTest, TheSameRecordHasTheSameDerivedKey) {
  use(kKinesisStreamsOutput, {{"stream", "events"}});
  fake_.http.otherwise([](const testing::KeptRequest&) -> Result<HttpResponse> {
    return HttpResponse{.status = 200,
                        .headers = {},
                        .body = R"({"Records":[{"SequenceNumber":"1"},{"SequenceNumber":"2"}]})"};
  });
  deliver(records(2));
  deliver(records(2));
  EXPECT_EQ(request(0).body, request(1).body);
}

TEST_F(AwsRecordsTest, EveryFailureOfAWholeRequest) {
  use(kKinesisFirehoseOutput, {{"delivery_stream", "logs"}});
  const auto fault = [&](int status, const std::string& code) {
    fake_.http.answer(status, R"({"__type":")" + code + R"(","message":"m"})");
  };
  fault(400, "ThrottlingException");
  EXPECT_EQ(deliver(records(2)).retry_class, RetryClass::Throttled);
  fault(500, "ServiceUnavailableException");
  EXPECT_EQ(deliver().retry_class, RetryClass::Transient);
  fault(400, "ResourceNotFoundException");
  EXPECT_EQ(deliver().retry_class, RetryClass::Auth);
  fault(400, "AccessDeniedException");
  EXPECT_EQ(deliver().retry_class, RetryClass::Auth);
  fake_.http.answer(200, "<html>portal</html>");
  EXPECT_THAT(deliver().reason, HasSubstr("proxy"));
  fake_.http.answer(200, R"({"FailedPutCount":0,"RequestResponses":[{"RecordId":"1"}]})");
  EXPECT_EQ(deliver().outcome, Delivery::Outcome::Retry);  // one answer for two records
  // The bad one is searched.
  fault(400, "InvalidArgumentException");
  fake_.http.answer(200, R"({"RequestResponses":[{"RecordId":"1"}]})");
  fault(400, "InvalidArgumentException");
  const Delivery found = deliver();
  EXPECT_EQ(found.outcome, Delivery::Outcome::Delivered);
  ASSERT_EQ(found.rejected.size(), 1u);
  EXPECT_EQ(found.rejected[0].offset, Offset{101});
}

TEST_F(AwsRecordsTest, ARecordAboveTheLimitIsOversizeAndFiveHundredAreABatch) {
  use(kKinesisFirehoseOutput, {{"delivery_stream", "logs"}});
  ChunkBuilder chunk;
  chunk.json(kRecordTime, R"({"m":")" + std::string(1'100'000, 'x') + R"("})");
  fill(chunk);
  ASSERT_EQ(refused_.size(), 1u);
  EXPECT_EQ(refused_[0].reason, DropReason::Oversize);
  EXPECT_EQ(fill(records(501)), 500u);
  EXPECT_TRUE(batch_->full());
}

TEST_F(AwsRecordsTest, WrongOptionsAreNamed) {
  EXPECT_FALSE(make(kKinesisFirehoseOutput, {}));
  EXPECT_FALSE(make(kKinesisFirehoseOutput, {{"delivery_stream", "a b"}}));
  EXPECT_FALSE(make(kKinesisFirehoseOutput, {{"delivery_stream", "a"}, {"region", "Mars 1"}}));
  EXPECT_FALSE(make(kKinesisFirehoseOutput, {{"delivery_stream", "a"}, {"compression", "snappy"}}));
  EXPECT_FALSE(make(kKinesisStreamsOutput,
                    {{"stream", "a"}, {"aggregation", "true"}, {"simple_aggregation", "true"}}));
  EXPECT_FALSE(make(kKinesisStreamsOutput,
                    {{"stream", "a"}, {"aggregation", "true"}, {"compression", "gzip"}}));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("simple_aggregation"));
  EXPECT_FALSE(make(kKinesisStreamsOutput, {{"stream", "a"}, {"partition_key", "$a['"}}));
}

TEST(RecordsAnswer, OnlyAnAnswerForEveryRecordCounts) {
  const auto parse = [](std::string_view body, size_t count) {
    return parse_records_answer(body, "Records", "SequenceNumber", count);
  };
  EXPECT_TRUE(parse(R"({"Records":[]})", 0));
  EXPECT_TRUE(parse(R"({"Records":[{"SequenceNumber":"1"}]})", 1));
  EXPECT_FALSE(parse(R"({"Records":[{"SequenceNumber":"1"}]})", 2));
  EXPECT_FALSE(parse(R"({"Records":[{"SequenceNumber":"1"},{}]})", 2));
  EXPECT_FALSE(parse(R"({"Records":[7]})", 1));
  EXPECT_FALSE(parse(R"({"Records":{}})", 0));
  EXPECT_FALSE(parse("{}", 0));
  EXPECT_FALSE(parse("", 0));
  const auto failed = parse(
      R"({"Records":[{"ErrorCode":"InternalFailure"},{"SequenceNumber":"1"},{"ErrorCode":"x"}]})",
      3);
  ASSERT_TRUE(failed);
  EXPECT_THAT(failed->failed, ElementsAre(0, 2));
  EXPECT_FALSE(failed->throttled);
}

}  // namespace
}  // namespace noroshi
