#include "output/s3/s3.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "aws/sigv4.h"
#include "aws/testing/fake_environment.h"
#include "config/document.h"
#include "http/url.h"
#include "output/s3/object_key.h"
#include "output/testing/chunk_builder.h"

namespace noroshi {
namespace {

using testing::ChunkBuilder;
using ::testing::HasSubstr;
using testing::KeptRequest;
using ::testing::Not;
using ::testing::StartsWith;
using Outcome = Delivery::Outcome;
using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr Timestamp kTime{Milliseconds(1795402389500)};  // 2026-11-23T02:53:09.5Z
const HttpHeaders kEtag = {{"ETag", "\"e\""}};

Section section_of(const Pairs& pairs) {
  Section section{.kind = SectionKind::Output, .title = "OUTPUT"};
  section.properties.push_back({.key = "Name", .name = "name", .values = {{.text = "s3"}}});
  section.properties.push_back({.key = "Match", .name = "match", .values = {{.text = "*"}}});
  for (const auto& [key, value] : pairs) {
    section.properties.push_back({.key = key, .name = to_lower(key), .values = {{.text = value}}});
  }
  return section;
}

std::string gunzip(const std::string& bytes) {
  std::string text(64 << 20, '\0');
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0U);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

class S3Test : public ::testing::Test {
 protected:
  S3Test() {
    char name[] = "/tmp/noroshi-s3-test-XXXXXX";
    directory_ = ::mkdtemp(name);
    fake_.variables["AWS_ACCESS_KEY_ID"] = "AKID";
    fake_.variables["AWS_SECRET_ACCESS_KEY"] = "secret";
    fake_.variables["AWS_EC2_METADATA_DISABLED"] = "true";
    environment_ = fake_.environment();
  }
  ~S3Test() override {
    output_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::optional<MadeOutput> make(Pairs pairs) {
    diagnostics_ = Diagnostics();
    OutputContext context{.aws = environment_,
                          .state_directory = {},
                          .journal_id = "j",
                          .instance_name = "s3.0",
                          .flush = {},
                          .clock = fake_.clock};
    return kS3Plugin.make(section_of(pairs), context, diagnostics_);
  }
  // The specified output, and more.
  void start(const Pairs& more = {}) {
    Pairs pairs = {{"region", "eu-west-1"},
                   {"bucket", "logs-bucket"},
                   {"s3_key_format", "/logs/year=%Y/month=%m/day=%d/hour=%H/%H%M%S-$UUID.gz"},
                   {"compression", "gzip"},
                   {"store_dir", directory_.string()}};
    for (const auto& [key, value] : more) {
      std::erase_if(pairs, [&](const auto& pair) { return pair.first == key; });
      pairs.emplace_back(key, value);
    }
    auto made = make(pairs);
    ASSERT_TRUE(made) << diagnostics_.render();
    destination_ = made->destination;
    output_ = std::move(made->output);
    output_->start(metrics_);
  }
  std::string problems(const Pairs& pairs) {
    const auto made = make(pairs);
    EXPECT_EQ(made.has_value(), !diagnostics_.has_errors());
    std::string all;
    for (const Diagnostic& diagnostic : diagnostics_.all()) all += diagnostic.message + "\n";
    return all;
  }

  std::unique_ptr<Batch> batch_of(const ChunkBuilder& chunk) {
    const ChunkView view = chunk.view();
    auto batch = output_->open_batch("", {view.base, view.records.front().time, view.tag});
    EXPECT_TRUE(batch) << batch.error().message;
    const auto taken = (*batch)->add(view, chunk.all(), rejected_);
    EXPECT_TRUE(taken);
    EXPECT_EQ(*taken, view.records.size());
    return *std::move(batch);
  }
  std::unique_ptr<Batch> small_batch() {
    return batch_of(
        ChunkBuilder("backend", Offset{7}).json(kTime, R"({"level":"INFO","message":"a"})"));
  }
  // A batch that does not compress below `bytes`.
  std::unique_ptr<Batch> large_batch(size_t bytes) {
    ChunkBuilder chunk("backend", Offset{7});
    std::mt19937 random(1);
    for (size_t done = 0; done < bytes;) {
      std::string noise(100'000, ' ');
      for (char& c : noise) c = static_cast<char>('!' + 2 + random() % 56);
      for (char& c : noise)
        if (c == '\\') c = 'x';
      chunk.json(kTime, "{\"m\":\"" + noise + "\"}");
      done += noise.size() * 3 / 4;
    }
    return batch_of(chunk);
  }
  Delivery deliver(Batch& batch) {
    return output_->deliver(batch, system_clock().monotonic() + Seconds(20));
  }
  KeptRequest sent(size_t index) const { return fake_.http.requests().at(index); }
  void answer_initiate(const std::string& id = "UP") {
    fake_.http.answer(200, "<?xml version=\"1.0\"?><InitiateMultipartUploadResult><UploadId>" + id +
                               "</UploadId></InitiateMultipartUploadResult>");
  }

  std::filesystem::path directory_;
  testing::FakeEnvironment fake_;
  AwsEnvironment environment_;
  Diagnostics diagnostics_;
  OutputMetrics metrics_;
  std::string destination_;
  std::vector<RejectedRecord> rejected_;
  std::unique_ptr<Output> output_;
};

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

// ---- multipart ----------------------------------------------------------------------------------

class S3Multipart : public S3Test {
 protected:
  void begin(const Pairs& more = {}) {
    Pairs pairs = {{"multipart_threshold", "5M"}, {"upload_chunk_size", "5242880"}};
    pairs.insert(pairs.end(), more.begin(), more.end());
    start(pairs);
    batch_ = large_batch(12'000'000);
  }
  void answer_part(int number) {
    fake_.http.answer(200, "", {{"ETag", "\"p" + std::to_string(number) + "\""}});
  }
  void answer_complete() {
    fake_.http.answer(
        200, "\n\n<CompleteMultipartUploadResult><Key>k</Key></CompleteMultipartUploadResult>");
  }
  std::unique_ptr<Batch> batch_;
};

TEST_F(S3Multipart, AllParts) {
  begin({{"storage_class", "STANDARD_IA"}, {"expected_bucket_owner", "123456789012"}});
  answer_initiate();
  for (int part = 1; part <= 3; ++part) answer_part(part);
  answer_complete();
  const Delivery delivery = deliver(*batch_);
  ASSERT_EQ(delivery.outcome, Outcome::Delivered) << delivery.reason;
  ASSERT_EQ(fake_.http.requests().size(), 5U);
  EXPECT_EQ(sent(0).method, "POST");
  EXPECT_THAT(sent(0).url, ::testing::EndsWith(".gz?uploads="));
  EXPECT_EQ(sent(0).headers.get("x-amz-checksum-algorithm"), "CRC32C");
  EXPECT_EQ(sent(0).headers.get("x-amz-storage-class"), "STANDARD_IA");
  std::string object;
  std::string parts;
  for (size_t part = 1; part <= 3; ++part) {
    const KeptRequest request = sent(part);
    EXPECT_THAT(request.url, HasSubstr("?partNumber=" + std::to_string(part) + "&uploadId=UP"));
    EXPECT_TRUE(request.expect_continue);
    EXPECT_FALSE(request.headers.find("x-amz-storage-class"));
    EXPECT_EQ(request.headers.get("x-amz-expected-bucket-owner"), "123456789012");
    object += request.body;
    parts += "<Part><ETag>&quot;p" + std::to_string(part) + "&quot;</ETag><ChecksumCRC32C>" +
             std::string(request.headers.get("x-amz-checksum-crc32c")) +
             "</ChecksumCRC32C><PartNumber>" + std::to_string(part) + "</PartNumber></Part>";
  }
  EXPECT_EQ(sent(1).body.size(), 5242880U);
  EXPECT_THAT(gunzip(object), StartsWith("{\"date\":\"2026-11-23T02:53:09.500000Z\",\"m\":\""));
  EXPECT_EQ(sent(4).body,
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" + parts +
                "</CompleteMultipartUpload>");
  batch_.reset();
  output_->stop();
  EXPECT_EQ(fake_.http.requests().size(), 5U);  // nothing to abort
}

TEST_F(S3Multipart, ARetryGoesOnWhereItStopped) {
  begin();
  answer_initiate();
  answer_part(1);
  fake_.http.fail(ErrorCode::Timeout);
  EXPECT_EQ(deliver(*batch_).outcome, Outcome::Retry);
  fake_.http.answer(503, "<Error><Code>SlowDown</Code></Error>");
  EXPECT_EQ(deliver(*batch_).retry_class, RetryClass::Throttled);
  answer_part(2);
  answer_part(3);
  fake_.http.answer(500, "<Error><Code>InternalError</Code></Error>");
  EXPECT_EQ(deliver(*batch_).outcome, Outcome::Retry);
  answer_complete();
  EXPECT_EQ(deliver(*batch_).outcome, Outcome::Delivered);
  EXPECT_THAT(sent(3).url, HasSubstr("partNumber=2&"));
  EXPECT_EQ(fake_.http.requests().size(), 8U);
  EXPECT_EQ(fake_.http.unused(), 0U);
}

TEST_F(S3Multipart, A200WithAnErrorInsideIsNoSuccess) {
  begin();
  answer_initiate();
  for (int part = 1; part <= 3; ++part) answer_part(part);
  fake_.http.answer(200, "  \n<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>");
  EXPECT_EQ(deliver(*batch_).outcome, Outcome::Retry);
  fake_.http.answer(200, "<html/>");
  EXPECT_EQ(deliver(*batch_).outcome, Outcome::Retry);
  fake_.http.answer(200, "");
  EXPECT_EQ(deliver(*batch_).outcome, Outcome::Retry);
  answer_complete();
  EXPECT_EQ(deliver(*batch_).outcome, Outcome::Delivered);
}

TEST_F(S3Multipart, ALostReplyToCompleteIsFoundOutByHead) {
  begin();
  answer_initiate();
  for (int part = 1; part <= 3; ++part) answer_part(part);
  fake_.http.fail(ErrorCode::Timeout);
  EXPECT_EQ(deliver(*batch_).outcome, Outcome::Retry);
  fake_.http.answer(404, "<Error><Code>NoSuchUpload</Code></Error>");
  fake_.http.answer(200, "", {{"Content-Length", std::to_string(batch_->bytes())}});
  EXPECT_EQ(deliver(*batch_).outcome, Outcome::Delivered);
  EXPECT_EQ(fake_.http.requests().back().method, "HEAD");
}

TEST_F(S3Multipart, AnUploadThatIsGoneIsStartedOver) {
  begin();
  answer_initiate();
  for (int part = 1; part <= 3; ++part) answer_part(part);
  fake_.http.answer(404, "<Error><Code>NoSuchUpload</Code></Error>");
  fake_.http.answer(403);  // HEAD is not allowed
  EXPECT_EQ(deliver(*batch_).retry_class, RetryClass::Transient);
  answer_initiate("SECOND");
  fake_.http.answer(404, "<Error><Code>NoSuchUpload</Code></Error>");
  EXPECT_EQ(deliver(*batch_).retry_class, RetryClass::Transient);
  answer_initiate("THIRD");
  for (int part = 1; part <= 3; ++part) answer_part(part);
  answer_complete();
  fake_.http.answer(404, "<Error><Code>NoSuchUpload</Code></Error>");  // the orphans are aborted
  fake_.http.answer(204);
  EXPECT_EQ(deliver(*batch_).outcome, Outcome::Delivered);
  EXPECT_EQ(fake_.http.requests().back().method, "DELETE");
  EXPECT_EQ(fake_.http.unused(), 0U);
}

TEST_F(S3Multipart, GivenUpUploadsAreAbortedAtStopAndAfterACrash) {
  begin();
  answer_initiate();
  fake_.http.fail(ErrorCode::Timeout);
  EXPECT_EQ(deliver(*batch_).outcome, Outcome::Retry);
  batch_.reset();  // the engine gives up
  fake_.http.answer(503);
  output_->stop();  // S3 does not answer: a file stays
  EXPECT_THAT(fake_.http.requests().back().url, HasSubstr("?uploadId=UP"));
  EXPECT_EQ(fake_.http.requests().back().method, "DELETE");

  start();  // the next process
  fake_.http.answer(200, "", kEtag);
  fake_.http.answer(204);
  ASSERT_EQ(deliver(*small_batch()).outcome, Outcome::Delivered);
  EXPECT_EQ(fake_.http.requests().back().method, "DELETE");
  EXPECT_THAT(fake_.http.requests().back().url, HasSubstr("?uploadId=UP"));
  const size_t count = fake_.http.requests().size();
  output_->stop();
  EXPECT_EQ(fake_.http.requests().size(), count);
}

TEST_F(S3Multipart, UsePutObjectNeverUsesParts) {
  begin({{"use_put_object", "on"}});
  fake_.http.answer(200, "", kEtag);
  EXPECT_EQ(deliver(*batch_).outcome, Outcome::Delivered);
  EXPECT_EQ(fake_.http.requests().size(), 1U);
  EXPECT_TRUE(sent(0).expect_continue);
}

// ---- configuration ------------------------------------------------------------------------------

TEST_F(S3Test, ConfigurationMistakesAreTold) {
  EXPECT_THAT(problems({}), HasSubstr("bucket"));
  EXPECT_THAT(problems({{"bucket", "a/b"}}), HasSubstr("cannot be the name of a bucket"));
  EXPECT_THAT(problems({{"bucket", "arn:aws:s3:eu-west-1:1:accesspoint/x"}}),
              HasSubstr("an ARN cannot"));
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"region", "Europe"}}),
              HasSubstr("not the name of an AWS region"));
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"s3_key_format", "/x/%Q"}}), HasSubstr("%Q"));
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"timezone", "Mars/Base"}}), HasSubstr("Mars/Base"));
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"compression", "snappy"}}), HasSubstr("none, gzip"));
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"expected_bucket_owner", "me"}}),
              HasSubstr("12 digits"));
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"sse_kms_key_id", "k"}}),
              HasSubstr("needs sse aws:kms"));
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"tags", "=v"}}), HasSubstr("needs a key"));
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"use_put_object", "on"}, {"total_file_size", "10G"}}),
              HasSubstr("5 GB at most"));
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"endpoint", "ftp://x"}}), HasSubstr("endpoint"));
  EXPECT_EQ(problems({{"bucket", "bkt"}}), "");
  EXPECT_TRUE(fake_.http.requests().empty());
}

TEST_F(S3Test, KeysThatCouldRepeatAreWarnedOf) {
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"s3_key_format", "/logs/%Y/%H%M%S.gz"}}),
              HasSubstr("-<id>"));
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"s3_key_format", "/logs/$INDEX.gz"}}),
              HasSubstr("new task"));
  EXPECT_THAT(
      problems({{"bucket", "bkt"}, {"s3_key_format", "/logs/%S.gz"}, {"static_file_path", "on"}}),
      HasSubstr("overwrite each other"));
  EXPECT_EQ(problems({{"bucket", "bkt"}, {"s3_key_format", "/logs/$UUID.gz"}}), "");
}

TEST_F(S3Test, ObjectsAreMadeInMemoryWhereStoreDirCannotBeWritten) {
  std::ofstream(directory_ / "file") << "x";
  start({{"store_dir", (directory_ / "file").string()}});
  fake_.http.answer(200, "", kEtag);
  EXPECT_EQ(deliver(*small_batch()).outcome, Outcome::Delivered);
  EXPECT_THAT(gunzip(sent(0).body), HasSubstr("\"message\":\"a\""));
}

TEST_F(S3Test, ReadmeTableIsFresh) {
  const std::string path = std::string(NOROSHI_SOURCE_DIR) + "/src/output/s3/README.md";
  std::ifstream file(path);
  std::string page{std::istreambuf_iterator<char>(file), {}};
  const std::string marker = "<!-- options:s3 -->\n";
  const size_t begin = page.find(marker);
  ASSERT_NE(begin, std::string::npos);
  const size_t at = begin + marker.size();
  const size_t size = page.find("<!-- end -->", at) - at;
  const std::string fresh = render_markdown_table(s3_option_table());
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    page.replace(at, size, fresh);
    std::ofstream(path) << page;
  } else {
    EXPECT_EQ(page.substr(at, size), fresh) << "run with UPDATE_GOLDEN=1";
  }
}

}  // namespace
}  // namespace noroshi
