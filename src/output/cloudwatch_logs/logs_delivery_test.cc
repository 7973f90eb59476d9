#include "output/cloudwatch_logs/logs_delivery.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "aws/aws_client.h"
#include "http/testing/fake_http_transport.h"
#include "output/testing/chunk_builder.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using testing::FakeHttpTransport;
using ::testing::HasSubstr;
using testing::KeptRequest;
using Outcome = Delivery::Outcome;

constexpr Timestamp kNow{Seconds(1'790'000'000)};

std::string gunzip(const std::string& data) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  std::string out(8 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0u);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

std::string fault(std::string_view type, std::string_view message = "made up",
                  std::string_view more = "") {
  return fmt::format(R"({{"__type":"{}","message":"{}"{}}})", type, message, more);
}

class LogsDeliveryTest : public ::testing::Test {
 protected:
  LogsDeliveryTest() { use({}); }
  void use(LogsDeliveryOptions options) {
    delivery_ = std::make_unique<LogsDelivery>(std::move(options), clock_, [this] {
      return Result<std::unique_ptr<AwsClient>>(std::make_unique<AwsClient>(
          kCloudWatchLogs, "ap-northeast-1",
          Endpoint{.url = parse_url("http://logs.test:1234").value(), .custom = true},
          make_static_credentials({.access_key_id = "AKID", .secret_access_key = "secret"}),
          testing::forward_to(http_), clock_));
    });
  }
  std::unique_ptr<LogBatch> batch_of(int records, std::string_view text = "line") {
    auto batch = std::make_unique<LogBatch>("/ecs/backend/errors", "fargate-backend", context_);
    ChunkBuilder chunk("backend", Offset{500});
    for (int i = 0; i < records; ++i)
      chunk.json(kNow + Milliseconds(i), fmt::format(R"({{"n":{},"text":"{}"}})", i, text));
    EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), static_cast<uint32_t>(records));
    return batch;
  }
  Delivery deliver(LogBatch& batch) {
    return delivery_->deliver(batch, clock_.monotonic() + Seconds(60));
  }
  Delivery deliver(int records = 3) { return deliver(*batch_of(records)); }
  // "PutLogEvents CreateLogStream …"
  std::string operations() {
    std::string all;
    for (const KeptRequest& request : http_.requests()) {
      const std::string_view target = request.headers.get("X-Amz-Target");
      EXPECT_TRUE(target.starts_with("Logs_20140328."));
      all += (all.empty() ? "" : " ") + std::string(target.substr(14));
    }
    return all;
  }
  std::string body(size_t request) { return http_.requests().at(request).body; }

  ManualClock clock_{kNow};
  FakeHttpTransport http_;
  std::shared_ptr<LogBatchContext> context_ =
      std::make_shared<LogBatchContext>(LogBatchOptions{}, clock_);
  std::unique_ptr<LogsDelivery> delivery_;
  std::vector<RejectedRecord> rejected_;
};

TEST_F(LogsDeliveryTest, UsualAttemptIsOneRequest) {
  use({.log_format = "json/emf", .user_agent = "noroshi/test extra"});
  http_.answer(200, R"({"nextSequenceToken":"1"})", {{"x-amzn-RequestId", "r"}});
  const Delivery delivery = deliver();
  EXPECT_EQ(delivery.outcome, Outcome::Delivered);
  EXPECT_TRUE(delivery.rejected.empty());
  ASSERT_EQ(operations(), "PutLogEvents");
  const KeptRequest request = http_.requests()[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "http://logs.test:1234/");
  EXPECT_EQ(request.headers.get("Content-Type"), "application/x-amz-json-1.1");
  EXPECT_EQ(request.headers.get("x-amzn-logs-format"), "json/emf");
  EXPECT_EQ(request.headers.get("User-Agent"), "noroshi/test extra");
  EXPECT_EQ(request.headers.get("Content-Encoding"), "");
  EXPECT_THAT(std::string(request.headers.get("Authorization")),
              HasSubstr("/ap-northeast-1/logs/aws4_request"));
  EXPECT_EQ(
      request.body,
      R"({"logGroupName":"/ecs/backend/errors","logStreamName":"fargate-backend","logEvents":[)"
      R"({"timestamp":1790000000000,"message":"{\"n\":0,\"text\":\"line\"}"},)"
      R"({"timestamp":1790000000001,"message":"{\"n\":1,\"text\":\"line\"}"},)"
      R"({"timestamp":1790000000002,"message":"{\"n\":2,\"text\":\"line\"}"}]})");
}

// One answer to the first PutLogEvents, and what the delivery loop must make of it.
struct Case {
  const char* name;
  int status;
  std::string body;
  Outcome outcome;
  RetryClass retry_class = RetryClass::Transient;
};

class LogsDeliveryAnswer : public LogsDeliveryTest, public ::testing::WithParamInterface<Case> {};

TEST_P(LogsDeliveryAnswer, GivesOneOutcome) {
  const Case& test = GetParam();
  http_.answer(test.status, test.body);
  const Delivery delivery = deliver(1);
  EXPECT_EQ(delivery.outcome, test.outcome) << delivery.reason;
  if (test.outcome == Outcome::Retry) {
    EXPECT_EQ(static_cast<int>(delivery.retry_class), static_cast<int>(test.retry_class))
        << delivery.reason;
  }
  if (test.outcome != Outcome::Delivered) {
    EXPECT_NE(delivery.reason, "");
  }
  EXPECT_EQ(operations(), "PutLogEvents");
}

INSTANTIATE_TEST_SUITE_P(
    Answers, LogsDeliveryAnswer,
    ::testing::Values(
        Case{"Empty", 200, "{}", Outcome::Delivered},
        Case{"Proxy", 200, "<html>hello</html>", Outcome::Retry},
        Case{"NoBody", 200, "", Outcome::Retry},
        Case{"AlreadyAccepted", 400, fault("DataAlreadyAcceptedException"), Outcome::Delivered},
        Case{"Throttled", 400, fault("ThrottlingException"), Outcome::Retry, RetryClass::Throttled},
        Case{"Namespaced", 400, fault("com.amazonaws.logs#ThrottlingException:http://x"),
             Outcome::Retry, RetryClass::Throttled},
        Case{"Status429", 429, "", Outcome::Retry, RetryClass::Throttled},
        Case{"Unavailable", 503, fault("ServiceUnavailableException"), Outcome::Retry},
        Case{"Internal", 500, fault("InternalFailure"), Outcome::Retry},
        Case{"Gateway", 502, "<html>", Outcome::Retry},
        Case{"AccessDenied", 400, fault("AccessDeniedException"), Outcome::Retry, RetryClass::Auth},
        Case{"Unrecognized", 400, fault("UnrecognizedClientException"), Outcome::Retry,
             RetryClass::Auth},
        Case{"Signature", 403, fault("InvalidSignatureException"), Outcome::Retry,
             RetryClass::Auth},
        Case{"OneBadRecord", 400, fault("InvalidParameterException", "Log event too large"),
             Outcome::Rejected},
        Case{"OneUnreadable", 400, fault("SerializationException"), Outcome::Rejected},
        Case{"TooLargeForAProxy", 413, "", Outcome::Rejected},
        Case{"BadGroupName", 400,
             fault("InvalidParameterException",
                   "1 validation error detected: Value 'x y' at 'logGroupName' failed to satisfy "
                   "constraint"),
             Outcome::Retry, RetryClass::Auth},
        Case{"BadKey", 400,
             fault("InvalidParameterException",
                   "The specified KMS key does not exist or is not allowed"),
             Outcome::Retry, RetryClass::Auth},
        Case{"UnknownOperation", 404, fault("UnknownOperationException"), Outcome::Retry,
             RetryClass::Auth},
        Case{"TeaPot", 418, "", Outcome::Retry, RetryClass::Auth}),
    [](const auto& parameter) { return std::string(parameter.param.name); });

TEST_F(LogsDeliveryTest, NoAnswer) {
  for (const auto& [code, retry_class] : {std::pair(ErrorCode::Timeout, RetryClass::Transient),
                                          std::pair(ErrorCode::Unavailable, RetryClass::Transient),
                                          std::pair(ErrorCode::Denied, RetryClass::Auth)}) {
    http_.fail(code);
    const Delivery delivery = deliver();
    EXPECT_EQ(delivery.outcome, Outcome::Retry);
    EXPECT_EQ(static_cast<int>(delivery.retry_class), static_cast<int>(retry_class))
        << to_string(code);
  }
}

TEST_F(LogsDeliveryTest, ServicesWishIsPassedOn) {
  http_.answer(503, fault("ServiceUnavailableException"), {{"Retry-After", "7"}});
  EXPECT_EQ(deliver().retry_after, Nanoseconds(Seconds(7)));
}

TEST_F(LogsDeliveryTest, RejectedByAge) {
  http_.answer(200,
               R"({"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1,"expiredLogEventEndIndex":3,
                       "tooNewLogEventStartIndex":8}})");
  const Delivery delivery = deliver(10);
  EXPECT_EQ(delivery.outcome, Outcome::Delivered);
  EXPECT_NE(delivery.reason, "");
  ASSERT_EQ(delivery.rejected.size(), 5u);
  const std::vector<std::pair<uint64_t, DropReason>> expected = {{500, DropReason::TooOld},
                                                                 {501, DropReason::Expired},
                                                                 {502, DropReason::Expired},
                                                                 {508, DropReason::TooNew},
                                                                 {509, DropReason::TooNew}};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(delivery.rejected[i].offset.value, expected[i].first);
    EXPECT_EQ(delivery.rejected[i].reason, expected[i].second);
  }
}

TEST_F(LogsDeliveryTest, RejectedIndexesCountTheSortedRecords) {
  auto batch = std::make_unique<LogBatch>("g", "s", context_);
  ChunkBuilder chunk("t", Offset{10});
  chunk.json(kNow, "{}").json(kNow + Seconds(2), "{}").json(kNow - Seconds(2), "{}");
  ASSERT_EQ(batch->add(chunk.view(), chunk.all(), rejected_), 3u);
  http_.answer(
      200,
      R"({"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1,"tooNewLogEventStartIndex":2}})");
  const Delivery delivery = deliver(*batch);
  ASSERT_EQ(delivery.rejected.size(), 2u);
  EXPECT_EQ(delivery.rejected[0].offset.value, 12u);
  EXPECT_EQ(delivery.rejected[0].reason, DropReason::TooOld);
  EXPECT_EQ(delivery.rejected[1].offset.value, 11u);
  EXPECT_EQ(delivery.rejected[1].reason, DropReason::TooNew);
}

TEST_F(LogsDeliveryTest, AbsurdIndexesRejectEachRecordOnce) {
  http_.answer(200,
               R"({"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":99,"expiredLogEventEndIndex":2,
                       "tooNewLogEventStartIndex":0}})");
  const Delivery delivery = deliver(3);
  EXPECT_EQ(delivery.outcome, Outcome::Delivered);
  EXPECT_EQ(delivery.rejected.size(), 3u);
}

TEST_F(LogsDeliveryTest, MakesTheStream) {
  http_.answer(400, fault("ResourceNotFoundException", "The specified log stream does not exist."));
  http_.answer(200);
  http_.answer(200, "{}");
  EXPECT_EQ(deliver().outcome, Outcome::Delivered);
  EXPECT_EQ(operations(), "PutLogEvents CreateLogStream PutLogEvents");
  EXPECT_EQ(body(1), R"({"logGroupName":"/ecs/backend/errors","logStreamName":"fargate-backend"})");
  EXPECT_EQ(body(0), body(2));
}

TEST_F(LogsDeliveryTest, StreamMadeBySomebodyElse) {
  http_.answer(400, fault("ResourceNotFoundException"));
  http_.answer(400, fault("ResourceAlreadyExistsException"));
  http_.answer(200, "{}");
  EXPECT_EQ(deliver().outcome, Outcome::Delivered);
}

TEST_F(LogsDeliveryTest, StreamNotVisibleYet) {
  http_.answer(400, fault("ResourceNotFoundException"));
  http_.answer(200);
  http_.answer(400, fault("ResourceNotFoundException"));
  const Delivery delivery = deliver();
  EXPECT_EQ(delivery.outcome, Outcome::Retry);
  EXPECT_EQ(operations(), "PutLogEvents CreateLogStream PutLogEvents");
}

TEST_F(LogsDeliveryTest, MakesTheGroupWithEverything) {
  use({.auto_create_group = true,
       .retention_days = 30,
       .group_class = "INFREQUENT_ACCESS",
       .kms_key = "arn:aws:kms:x",
       .tags = {{"team", "we\"b"}, {"stage", "prod"}}});
  http_.answer(400, fault("ResourceNotFoundException"));
  http_.answer(400, fault("ResourceNotFoundException"));
  http_.answer(200);
  http_.answer(400, fault("AccessDeniedException"));  // retention never fails a delivery
  http_.answer(200);
  http_.answer(200, "{}");
  EXPECT_EQ(deliver().outcome, Outcome::Delivered);
  EXPECT_EQ(operations(),
            "PutLogEvents CreateLogStream CreateLogGroup PutRetentionPolicy CreateLogStream "
            "PutLogEvents");
  EXPECT_EQ(body(2),
            R"({"logGroupName":"/ecs/backend/errors","kmsKeyId":"arn:aws:kms:x",)"
            R"("logGroupClass":"INFREQUENT_ACCESS","tags":{"team":"we\"b","stage":"prod"}})");
  EXPECT_EQ(body(3), R"({"logGroupName":"/ecs/backend/errors","retentionInDays":30})");

  // The retention is tried again beside a later delivery, and then no more.
  http_.answer(200, "{}");
  EXPECT_EQ(deliver().outcome, Outcome::Delivered);
  EXPECT_EQ(http_.requests().size(), 7u);
  clock_.advance(LogsDelivery::kRetentionInterval);
  http_.answer(200, "{}");
  http_.answer(200);
  EXPECT_EQ(deliver().outcome, Outcome::Delivered);
  EXPECT_EQ(http_.requests().at(8).headers.get("X-Amz-Target"), "Logs_20140328.PutRetentionPolicy");
  clock_.advance(LogsDelivery::kRetentionInterval);
  http_.answer(200, "{}");
  EXPECT_EQ(deliver().outcome, Outcome::Delivered);
  EXPECT_EQ(http_.requests().size(), 10u);
}

TEST_F(LogsDeliveryTest, GroupMissingWithoutLeaveToMakeIt) {
  http_.answer(400, fault("ResourceNotFoundException"));
  http_.answer(400, fault("ResourceNotFoundException"));
  const Delivery delivery = deliver();
  EXPECT_EQ(delivery.outcome, Outcome::Retry);
  EXPECT_EQ(static_cast<int>(delivery.retry_class), static_cast<int>(RetryClass::Auth));
  EXPECT_THAT(delivery.reason, HasSubstr("auto_create_group"));
}

TEST_F(LogsDeliveryTest, GroupIsBeingMadeBySomebodyElse) {
  use({.auto_create_group = true});
  http_.answer(400, fault("ResourceNotFoundException"));
  http_.answer(400, fault("ResourceNotFoundException"));
  http_.answer(400, fault("OperationAbortedException"));
  Delivery delivery = deliver();
  EXPECT_EQ(delivery.outcome, Outcome::Retry);
  EXPECT_EQ(static_cast<int>(delivery.retry_class), static_cast<int>(RetryClass::Transient));
  http_.answer(400, fault("ResourceNotFoundException"));
  http_.answer(400, fault("ResourceNotFoundException"));
  http_.answer(400, fault("ResourceAlreadyExistsException"));
  http_.answer(400, fault("ThrottlingException"));
  delivery = deliver();
  EXPECT_EQ(delivery.outcome, Outcome::Retry);
  EXPECT_EQ(static_cast<int>(delivery.retry_class), static_cast<int>(RetryClass::Throttled));
  EXPECT_EQ(http_.unused(), 0u);
}

TEST_F(LogsDeliveryTest, SequenceTokensOfImitations) {
  http_.answer(400,
               fault("InvalidSequenceTokenException", "no", R"(,"expectedSequenceToken":"495")"));
  http_.answer(200, "{}");
  EXPECT_EQ(deliver(1).outcome, Outcome::Delivered);
  EXPECT_THAT(body(1), ::testing::EndsWith(R"(],"sequenceToken":"495"})"));
  // Remembered; and a second refusal within one attempt is a retry, not a loop.
  http_.answer(400,
               fault("InvalidSequenceTokenException", "no", R"(,"expectedSequenceToken":"496")"));
  http_.answer(400,
               fault("InvalidSequenceTokenException", "no", R"(,"expectedSequenceToken":"497")"));
  EXPECT_EQ(deliver(1).outcome, Outcome::Retry);
  EXPECT_THAT(body(2), HasSubstr(R"("sequenceToken":"495")"));
  EXPECT_THAT(body(3), HasSubstr(R"("sequenceToken":"496")"));
}

// The service refuses every request that contains one of `bad`.
void refuse(FakeHttpTransport& http, std::vector<std::string> bad,
            std::vector<std::string>& accepted) {
  http.otherwise(
      [bad = std::move(bad), &accepted](const KeptRequest& request) -> Result<HttpResponse> {
        const std::string text =
            request.headers.get("Content-Encoding") == "gzip" ? gunzip(request.body) : request.body;
        for (const std::string& word : bad) {
          if (text.find(word) != std::string::npos) {
            return HttpResponse{
                400, {}, fault("InvalidParameterException", "Log event is wrong"), false};
          }
        }
        accepted.push_back(text);
        return HttpResponse{200, {}, "{}", false};
      });
}

TEST_F(LogsDeliveryTest, FindsTheBadRecordAmongMany) {
  std::vector<std::string> accepted;
  refuse(http_, {R"(\"n\":617,)"}, accepted);
  const Delivery delivery = deliver(1000);
  EXPECT_EQ(delivery.outcome, Outcome::Delivered);
  ASSERT_EQ(delivery.rejected.size(), 1u);
  EXPECT_EQ(delivery.rejected[0].offset.value, 500u + 617u);
  EXPECT_EQ(delivery.rejected[0].reason, DropReason::Rejected);
  EXPECT_LE(http_.requests().size(), 22u);
  std::string all;
  for (const std::string& text : accepted) all += text;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(all.find(fmt::format(R"(\"n\":{},)", i)) != std::string::npos, i != 617) << i;
  }
}

TEST_F(LogsDeliveryTest, ManyBadRecordsTakeSeveralAttemptsAndLoseNoProgress) {
  std::vector<std::string> bad;
  for (int i = 3; i < 1000; i += 100) bad.push_back(fmt::format(R"(\"n\":{},)", i));
  std::vector<std::string> accepted;
  refuse(http_, bad, accepted);
  auto batch = batch_of(1000);
  int attempts = 1;
  Delivery delivery = deliver(*batch);
  while (delivery.outcome == Outcome::Retry && attempts < 20)
    ++attempts, delivery = deliver(*batch);
  EXPECT_EQ(delivery.outcome, Outcome::Delivered);
  EXPECT_GT(attempts, 1);
  EXPECT_EQ(delivery.rejected.size(), bad.size());
  EXPECT_LE(http_.requests().size(), attempts * LogsDelivery::kRequestsMax);
  std::string all;
  for (const std::string& text : accepted) all += text;
  for (int i = 0; i < 1000; ++i) {
    const std::string word = fmt::format(R"(\"n\":{},)", i);
    const size_t first = all.find(word);
    EXPECT_EQ(first != std::string::npos, i % 100 != 3) << i;
    if (first != std::string::npos) {
      EXPECT_EQ(all.find(word, first + 1), std::string::npos) << i << " was sent twice";
    }
  }
}

TEST_F(LogsDeliveryTest, AllRefusedMeansTheConfigurationIsWrong) {
  std::vector<std::string> accepted;
  refuse(http_, {"logGroup"}, accepted);
  auto batch = batch_of(100);
  const Delivery delivery = deliver(*batch);
  EXPECT_EQ(delivery.outcome, Outcome::Retry);
  EXPECT_EQ(static_cast<int>(delivery.retry_class), static_cast<int>(RetryClass::Auth));
  EXPECT_LE(http_.requests().size(), 64u);
  // Once repaired, everything goes.
  http_.answer(200, "{}");
  const Delivery repaired = deliver(*batch);
  EXPECT_EQ(repaired.outcome, Outcome::Delivered);
  EXPECT_TRUE(repaired.rejected.empty());
}

TEST_F(LogsDeliveryTest, FewRefusedOneByOneAreRejected) {
  std::vector<std::string> accepted;
  refuse(http_, {"logGroup"}, accepted);
  EXPECT_EQ(deliver(3).outcome, Outcome::Rejected);
}

TEST_F(LogsDeliveryTest, RetryGoesOnWhereItStopped) {
  context_ =
      std::make_shared<LogBatchContext>(LogBatchOptions{.record_bytes_max = 1'000'000}, clock_);
  auto batch = batch_of(1, std::string(2'500'000, 'x'));  // three parts, three requests
  http_.answer(200, "{}");
  http_.answer(503, fault("ServiceUnavailableException"));
  EXPECT_EQ(deliver(*batch).outcome, Outcome::Retry);
  http_.answer(200, "{}");
  http_.answer(200, "{}");
  EXPECT_EQ(deliver(*batch).outcome, Outcome::Delivered);
  EXPECT_EQ(http_.requests().size(), 4u);
  EXPECT_EQ(gunzip(body(1)), gunzip(body(2)));
  for (const auto& [request, part] :
       {std::pair(0, "part 1/3"), std::pair(2, "part 2/3"), std::pair(3, "part 3/3")}) {
    EXPECT_THAT(gunzip(body(static_cast<size_t>(request))).substr(0, 200), HasSubstr(part));
  }
}

TEST_F(LogsDeliveryTest, DeadlineIsKept) {
  auto batch = batch_of(1);
  const Delivery delivery = delivery_->deliver(*batch, clock_.monotonic());
  EXPECT_EQ(delivery.outcome, Outcome::Retry);
  EXPECT_TRUE(http_.requests().empty());
}

TEST_F(LogsDeliveryTest, CompressesAndSaysSo) {
  const std::string text(3000, 'x');
  http_.answer(200, "{}");
  EXPECT_EQ(deliver(*batch_of(2, text)).outcome, Outcome::Delivered);
  const KeptRequest compressed = http_.requests()[0];
  EXPECT_EQ(compressed.headers.get("Content-Encoding"), "gzip");
  EXPECT_LT(compressed.body.size(), 1000u);
  use({.compression = LogsCompression::Off});
  http_.answer(200, "{}");
  EXPECT_EQ(deliver(*batch_of(2, text)).outcome, Outcome::Delivered);
  EXPECT_EQ(http_.requests()[1].headers.get("Content-Encoding"), "");
  EXPECT_EQ(gunzip(compressed.body), body(1));
}

TEST_F(LogsDeliveryTest, FallsBackToPlainAndRemembers) {
  const std::string text(3000, 'x');
  for (const auto& [status, answer] :
       {std::pair(400, fault("SerializationException")), std::pair(415, std::string()),
        std::pair(400, fault("InvalidParameterException", "Unsupported Content-Encoding"))}) {
    use({});
    http_.answer(status, answer);
    http_.answer(200, "{}");
    EXPECT_EQ(deliver(*batch_of(2, text)).outcome, Outcome::Delivered) << answer;
    http_.answer(200, "{}");
    EXPECT_EQ(deliver(*batch_of(2, text)).outcome, Outcome::Delivered);
    const auto requests = http_.requests();
    const size_t last = requests.size() - 1;
    EXPECT_EQ(requests[last - 2].headers.get("Content-Encoding"), "gzip");
    EXPECT_EQ(requests[last - 1].headers.get("Content-Encoding"), "");
    EXPECT_EQ(requests[last].headers.get("Content-Encoding"), "");
  }
}

TEST_F(LogsDeliveryTest, CompressionStaysWhenPlainIsRefusedAsWell) {
  const std::string text(3000, 'x');
  http_.answer(400, fault("SerializationException"));
  http_.answer(400, fault("SerializationException"));
  EXPECT_EQ(deliver(*batch_of(1, text)).outcome, Outcome::Rejected);
  http_.answer(200, "{}");
  EXPECT_EQ(deliver(*batch_of(1, text)).outcome, Outcome::Delivered);
  EXPECT_EQ(http_.requests()[2].headers.get("Content-Encoding"), "gzip");
}

TEST_F(LogsDeliveryTest, CompressOnNeverFallsBack) {
  use({.compression = LogsCompression::On});
  http_.answer(415, "");
  EXPECT_EQ(deliver(*batch_of(1, std::string(3000, 'x'))).outcome, Outcome::Retry);
  EXPECT_EQ(http_.requests().size(), 1u);
}

TEST_F(LogsDeliveryTest, ClientThatCannotBeMadeIsTriedAgain) {
  int tries = 0;
  LogsDelivery delivery({}, clock_, [&]() -> Result<std::unique_ptr<AwsClient>> {
    ++tries;
    return fail(ErrorCode::NotFound, "no region");
  });
  auto batch = batch_of(1);
  for (int i = 1; i <= 2; ++i) {
    const Delivery answer = delivery.deliver(*batch, clock_.monotonic() + Seconds(1));
    EXPECT_EQ(answer.outcome, Outcome::Retry);
    EXPECT_EQ(answer.reason, "no region");
    EXPECT_EQ(tries, i);
  }
}

}  // namespace
}  // namespace noroshi
