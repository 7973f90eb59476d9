#include "output/s3/s3.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "aws/sigv4.h"
#include "output/s3/object_key.h"
#include "output/s3/testing/s3_fixture.h"
#include "output/testing/gunzip.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using testing::gunzip;
using ::testing::HasSubstr;
using testing::KeptRequest;
using testing::kEtag;
using testing::kTime;
using ::testing::Not;
using testing::S3Test;
using ::testing::StartsWith;
using Outcome = Delivery::Outcome;

TEST_F(S3Test, TheSpecifiedObject) {
  start();
  const auto batch =
      batch_of(ChunkBuilder("backend", Offset{7})
                   .json(kTime, R"({"level":"INFO","message":"こんにちは","n":12345})")
                   .json(kTime + Milliseconds(1), R"({"level":"ERROR","a":[1,{"b":null}]})"));
  fake_.http.answer(200, "", kEtag);
  const Delivery delivery = deliver(*batch);
  ASSERT_EQ(delivery.outcome, Outcome::Delivered) << delivery.reason;
  const KeptRequest request = sent(0);
  EXPECT_EQ(request.method, "PUT");
  EXPECT_THAT(request.url,
              ::testing::MatchesRegex(
                  "https://logs-bucket\\.s3\\.eu-west-1\\.amazonaws\\.com/logs/year%3D2026/"
                  "month%3D11/day%3D23/hour%3D02/025309-[0-9a-v]+\\.gz"));
  EXPECT_EQ(
      gunzip(request.body),
      "{\"date\":\"2026-11-23T02:53:09.500000Z\",\"level\":\"INFO\",\"message\":\"こんにちは\","
      "\"n\":12345}\n"
      "{\"date\":\"2026-11-23T02:53:09.501000Z\",\"level\":\"ERROR\",\"a\":[1,{\"b\":null}]}\n");
  EXPECT_EQ(request.headers.get("content-encoding"), "gzip");
  EXPECT_EQ(request.headers.get("content-type"), "application/x-ndjson");
  EXPECT_EQ(request.headers.get("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
  EXPECT_EQ(request.headers.get("x-amz-checksum-crc32c").size(), 8U);
  EXPECT_EQ(request.headers.get("x-amz-sdk-checksum-algorithm"), "CRC32C");
  EXPECT_THAT(request.headers.get("authorization"), HasSubstr("/eu-west-1/s3/aws4_request"));
  EXPECT_EQ(batch->bytes(), request.body.size());
  EXPECT_EQ(destination_,
            "S3 s3://logs-bucket/logs/year=%Y/month=%m/day=%d/hour=%H/%H%M%S-$UUID.gz, eu-west-1");
  EXPECT_TRUE(output_->needs_durable_journal());
  EXPECT_EQ(output_->shutdown_order(), 10);
  EXPECT_EQ(output_->limits().age_max, std::chrono::minutes(10));
}

TEST_F(S3Test, TheSameStartGivesTheSameKeyAndBytes) {
  start();
  fake_.http.answer(200, "", kEtag);
  fake_.http.answer(200, "", kEtag);
  ASSERT_EQ(deliver(*small_batch()).outcome, Outcome::Delivered);
  start();  // a restart
  ASSERT_EQ(deliver(*small_batch()).outcome, Outcome::Delivered);
  EXPECT_EQ(sent(0).url, sent(1).url);
  EXPECT_EQ(sent(0).body, sent(1).body);
  fake_.http.answer(200, "", kEtag);
  const auto later = batch_of(ChunkBuilder("backend", Offset{8}).json(kTime, "{\"a\":1}"));
  ASSERT_EQ(deliver(*later).outcome, Outcome::Delivered);
  EXPECT_NE(sent(2).url, sent(1).url);
}

TEST_F(S3Test, TwoOutputsToOneKeyFormatNeverShareAKey) {
  start();
  fake_.http.answer(200, "", kEtag);
  ASSERT_EQ(deliver(*small_batch()).outcome, Outcome::Delivered);
  start({{"Grep", "level ERROR"}});
  fake_.http.answer(200, "", kEtag);
  ASSERT_EQ(deliver(*small_batch()).outcome, Outcome::Delivered);
  EXPECT_NE(sent(0).url, sent(1).url);
}

TEST_F(S3Test, GroupsByHourAcrossOneChunk) {
  start();
  ChunkBuilder chunk("t");
  std::mt19937 random(3);
  for (int i = 0; i < 500; ++i) {
    chunk.json(kTime + Seconds(static_cast<int64_t>(random() % 20000) - 10000), "{}");
  }
  chunk.json(Timestamp(Seconds(-5)), "{}");
  std::vector<std::string_view> groups;
  output_->group(chunk.view(), chunk.all(), groups);
  ASSERT_EQ(groups.size(), 501U);
  for (size_t i = 0; i < groups.size(); ++i) {
    const auto key = ObjectKeyFormat::parse("/logs/year=%Y/month=%m/day=%d/hour=%H/x-$UUID", {});
    std::string expected;
    key->append_group(expected, "t", chunk.view().records[i].time);
    ASSERT_EQ(groups[i], expected) << i;
  }
  EXPECT_EQ(groups.back(), "logs/year=1969/month=12/day=31/hour=23/");
}

TEST_F(S3Test, ClosesAnObjectBySizeAndTakesTheRestIntoTheNext) {
  start({{"total_file_size", "1M"}, {"compression", "none"}});
  ChunkBuilder chunk("t");
  for (int i = 0; i < 30000; ++i)
    chunk.json(kTime, "{\"n\":" + std::to_string(i) + ",\"text\":\"0123456789\"}");
  std::string all;
  uint32_t at = 0;
  int objects = 0;
  while (at < 30000) {
    auto batch = output_->open_batch("", {Offset{at}, kTime, "t"});
    ASSERT_TRUE(batch);
    const auto taken = (*batch)->add(chunk.view(), chunk.all(at), rejected_);
    ASSERT_TRUE(taken);
    ASSERT_GT(*taken, 0U);
    at += *taken;
    EXPECT_EQ((*batch)->full(), at < 30000);
    fake_.http.answer(200, "", kEtag);
    ASSERT_EQ(deliver(**batch).outcome, Outcome::Delivered);
    all += sent(static_cast<size_t>(objects)).body;
    EXPECT_LE(sent(static_cast<size_t>(objects)).body.size(), 1'000'000U + 200'000U);
    ++objects;
  }
  EXPECT_GT(objects, 1);
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 30000);
  EXPECT_THAT(all, HasSubstr("\"n\":29999,"));
}

TEST_F(S3Test, LogKeyWritesValuesAndNeverDropsARecord) {
  start({{"log_key", "log"}, {"compression", "none"}});
  const auto batch = batch_of(ChunkBuilder("t")
                                  .json(kTime, R"({"log":"plain text","x":1})")
                                  .json(kTime, R"({"log":12345})")
                                  .json(kTime, R"({"log":{"a":"x\"y"}})")
                                  .json(kTime, R"({"lo":"prefix"})"));
  fake_.http.answer(200, "", kEtag);
  ASSERT_EQ(deliver(*batch).outcome, Outcome::Delivered);
  EXPECT_EQ(sent(0).body,
            "plain text\n12345\n{\"a\":\"x\\\"y\"}\n"
            "{\"date\":\"2026-11-23T02:53:09.500000Z\",\"lo\":\"prefix\"}\n");
  EXPECT_EQ(metrics_.log_key_missing.get(), 1U);
}

TEST_F(S3Test, ARecordThatIsNoMapIsRejectedAlone) {
  start({{"compression", "none"}, {"json_date_key", "false"}});
  const auto batch = batch_of(ChunkBuilder("t", Offset{5})
                                  .json(kTime, "{\"a\":1}")
                                  .msgpack(kTime, "\xc1")
                                  .json(kTime, "{\"b\":2}"));
  ASSERT_EQ(rejected_.size(), 1U);
  EXPECT_EQ(rejected_[0].offset.value, 6U);
  EXPECT_EQ(rejected_[0].reason, DropReason::NotEncodable);
  fake_.http.answer(200, "", kEtag);
  ASSERT_EQ(deliver(*batch).outcome, Outcome::Delivered);
  EXPECT_EQ(sent(0).body, "{\"a\":1}\n{\"b\":2}\n");
}

struct Answer {
  int status;
  const char* code;
  RetryClass want;
};
class S3Answers : public S3Test, public ::testing::WithParamInterface<Answer> {};

// Whatever S3 refuses, the records are kept, and the same object is sent again.
TEST_P(S3Answers, KeepTheBatch) {
  start();
  const auto batch = small_batch();
  fake_.http.answer(GetParam().status, std::string("<Error><Code>") + GetParam().code +
                                           "</Code><Message>m</Message></Error>");
  Delivery delivery = deliver(*batch);
  EXPECT_EQ(delivery.outcome, Outcome::Retry);
  EXPECT_EQ(delivery.retry_class, GetParam().want);
  EXPECT_THAT(delivery.reason, HasSubstr("PutObject s3://logs-bucket/logs/year=2026/"));
  EXPECT_THAT(delivery.reason, HasSubstr(GetParam().code));
  EXPECT_THAT(delivery.reason, Not(HasSubstr("secret")));
  fake_.http.answer(200, "", kEtag);
  EXPECT_EQ(deliver(*batch).outcome, Outcome::Delivered);
  EXPECT_EQ(fake_.http.requests().front().body, fake_.http.requests().back().body);
  EXPECT_EQ(fake_.http.requests().front().url, fake_.http.requests().back().url);
}

INSTANTIATE_TEST_SUITE_P(All, S3Answers,
                         ::testing::Values(Answer{503, "SlowDown", RetryClass::Throttled},
                                           Answer{503, "ServiceUnavailable", RetryClass::Transient},
                                           Answer{500, "InternalError", RetryClass::Transient},
                                           Answer{400, "RequestTimeout", RetryClass::Transient},
                                           Answer{400, "BadDigest", RetryClass::Transient},
                                           Answer{409, "OperationAborted", RetryClass::Transient},
                                           Answer{403, "AccessDenied", RetryClass::Auth},
                                           Answer{403, "SignatureDoesNotMatch", RetryClass::Auth},
                                           Answer{403, "InvalidAccessKeyId", RetryClass::Auth},
                                           Answer{404, "NoSuchBucket", RetryClass::Auth},
                                           Answer{400, "InvalidStorageClass", RetryClass::Auth},
                                           Answer{400, "AccessControlListNotSupported",
                                                  RetryClass::Auth}));

TEST_F(S3Test, NoAnswerAndForeignAnswers) {
  start();
  const auto batch = small_batch();
  fake_.http.fail(ErrorCode::Timeout);
  EXPECT_EQ(deliver(*batch).retry_class, RetryClass::Transient);
  fake_.http.fail(ErrorCode::Denied, "certificate");
  EXPECT_EQ(deliver(*batch).retry_class, RetryClass::Auth);
  fake_.http.answer(200, "<html>Welcome to the hotel</html>");
  EXPECT_THAT(deliver(*batch).reason, HasSubstr("without ETag"));
  fake_.http.answer(503, "<Error><Code>SlowDown</Code></Error>", {{"Retry-After", "3"}});
  EXPECT_EQ(deliver(*batch).retry_after, Seconds(3));
}

TEST_F(S3Test, GoesToTheBucketsRegionOnce) {
  start();
  const auto batch = small_batch();
  fake_.http.answer(301, "<Error><Code>PermanentRedirect</Code></Error>",
                    {{"x-amz-bucket-region", "ap-northeast-1"}});
  fake_.http.answer(200, "", kEtag);
  ASSERT_EQ(deliver(*batch).outcome, Outcome::Delivered);
  EXPECT_THAT(sent(1).url, StartsWith("https://logs-bucket.s3.ap-northeast-1.amazonaws.com/logs/"));
  EXPECT_THAT(sent(1).headers.get("authorization"), HasSubstr("/ap-northeast-1/s3/"));
  fake_.http.answer(200, "", kEtag);
  ASSERT_EQ(deliver(*small_batch()).outcome, Outcome::Delivered);  // remembered
  EXPECT_THAT(sent(2).url, StartsWith("https://logs-bucket.s3.ap-northeast-1.amazonaws.com/"));
}

TEST_F(S3Test, LearnsTheRegionFromBodyOrHeadAndIsNotLedInCircles) {
  start();
  const auto batch = small_batch();
  fake_.http.answer(
      400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>");
  fake_.http.answer(307, "<Error><Code>TemporaryRedirect</Code></Error>");  // again: not followed
  Delivery delivery = deliver(*batch);
  EXPECT_EQ(delivery.outcome, Outcome::Retry);
  EXPECT_EQ(fake_.http.requests().size(), 2U);
  fake_.http.answer(301, "");
  fake_.http.answer(301, "", {{"x-amz-bucket-region", "eu-west-2"}});  // HEAD of the bucket
  fake_.http.answer(200, "", kEtag);
  ASSERT_EQ(deliver(*batch).outcome, Outcome::Delivered);
  EXPECT_EQ(sent(3).method, "HEAD");
  EXPECT_THAT(sent(4).url, HasSubstr(".s3.eu-west-2."));
  // A region that is none must not become a host.
  fake_.http.answer(301, "", {{"x-amz-bucket-region", "evil.example.com/"}});
  EXPECT_EQ(deliver(*small_batch()).outcome, Outcome::Retry);
  EXPECT_EQ(fake_.http.requests().size(), 6U);
}

TEST_F(S3Test, WithoutARegionTheBucketIsAsked) {
  start({{"region", ""}});
  fake_.http.answer(200, "", kEtag);
  ASSERT_EQ(deliver(*small_batch()).outcome, Outcome::Delivered);
  EXPECT_THAT(sent(0).url, HasSubstr(".s3.us-east-1."));
}

TEST_F(S3Test, CustomEndpointIsPathStyleAndSignsTheBody) {
  start({{"endpoint", "http://127.0.0.1:4568"},
         {"tags", "team=web, a b=ü"},
         {"send_content_md5", "on"}});
  fake_.http.answer(200, "", kEtag);
  ASSERT_EQ(deliver(*small_batch()).outcome, Outcome::Delivered);
  EXPECT_THAT(sent(0).url, StartsWith("http://127.0.0.1:4568/logs-bucket/logs/year%3D2026/"));
  EXPECT_EQ(sent(0).headers.get("x-amz-content-sha256"), sha256_hex(sent(0).body));
  EXPECT_FALSE(sent(0).headers.find("x-amz-checksum-crc32c"));
  EXPECT_EQ(sent(0).headers.get("x-amz-tagging"), "team=web&a%20b=%C3%BC");
  EXPECT_EQ(sent(0).headers.get("content-md5").size(), 24U);
  EXPECT_THAT(destination_, HasSubstr("http://127.0.0.1:4568"));
}

TEST_F(S3Test, EveryHeaderOption) {
  start({{"canned_acl", "bucket-owner-full-control"},
         {"storage_class", "STANDARD_IA"},
         {"sse", "aws:kms"},
         {"sse_kms_key_id", "arn:aws:kms:eu-west-1:1:key/k"},
         {"bucket_key_enabled", "true"},
         {"expected_bucket_owner", "123456789012"},
         {"content_type", "text/plain"},
         {"checksum", "sha256"},
         {"compression", "zstd"}});
  fake_.http.answer(200, "", kEtag);
  ASSERT_EQ(deliver(*small_batch()).outcome, Outcome::Delivered);
  const HttpHeaders headers = sent(0).headers;
  EXPECT_EQ(headers.get("x-amz-acl"), "bucket-owner-full-control");
  EXPECT_EQ(headers.get("x-amz-storage-class"), "STANDARD_IA");
  EXPECT_EQ(headers.get("x-amz-server-side-encryption"), "aws:kms");
  EXPECT_EQ(headers.get("x-amz-server-side-encryption-aws-kms-key-id"),
            "arn:aws:kms:eu-west-1:1:key/k");
  EXPECT_EQ(headers.get("x-amz-server-side-encryption-bucket-key-enabled"), "true");
  EXPECT_EQ(headers.get("x-amz-expected-bucket-owner"), "123456789012");
  EXPECT_EQ(headers.get("content-type"), "text/plain");
  EXPECT_EQ(headers.get("content-encoding"), "zstd");
  EXPECT_EQ(headers.get("x-amz-checksum-sha256").size(), 44U);
}

}  // namespace
}  // namespace noroshi
