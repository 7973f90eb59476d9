#include "output/s3/s3.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

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
using testing::S3Test;
using ::testing::StartsWith;
using Outcome = Delivery::Outcome;

class S3Multipart : public S3Test {
 protected:
  void begin(const Pairs& more = {}) {
    Pairs pairs = {{"multipart_threshold", "5M"}, {"upload_chunk_size", "5242880"}};
    pairs.insert(pairs.end(), more.begin(), more.end());
    start(pairs);
    batch_ = large_batch(12'000'000);
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
  void answer_initiate(const std::string& id = "UP") {
    fake_.http.answer(200, "<?xml version=\"1.0\"?><InitiateMultipartUploadResult><UploadId>" + id +
                               "</UploadId></InitiateMultipartUploadResult>");
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

}  // namespace
}  // namespace noroshi
