// Compression, checksums, spools and open uploads: the bytes on their way.
#include <gtest/gtest.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "output/s3/object_checksum.h"
#include "output/s3/object_compressor.h"
#include "output/s3/open_uploads.h"
#include "output/s3/spool.h"
#include "output/testing/gunzip.h"

namespace noroshi {
namespace {

using testing::gunzip;

std::string unzstd(const std::string& bytes) {
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  std::string text;
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  while (in.pos < in.size) {
    char buffer[65536];
    ZSTD_outBuffer out{buffer, sizeof buffer, 0};
    const size_t result = ZSTD_decompressStream(context.get(), &out, &in);
    EXPECT_FALSE(ZSTD_isError(result)) << ZSTD_getErrorName(result);
    if (ZSTD_isError(result)) break;
    text.append(buffer, out.pos);
  }
  return text;
}

TEST(ObjectCompressor, RandomBlocksComeBack) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const ObjectCompression kind :
       {ObjectCompression::None, ObjectCompression::Gzip, ObjectCompression::Zstd}) {
    const auto compressor = make_object_compressor(kind);
    // Two objects at a time share the compressor, as open batches do.
    for (int round = 0; round < 20; ++round) {
      std::string text[2];
      std::string bytes[2];
      CompressedObject object[2];
      const int blocks = static_cast<int>(random() % 6);
      for (int block = 0; block < blocks; ++block) {
        for (int which = 0; which < 2; ++which) {
          std::string content(random() % 300'000 + 1, 'x');
          const unsigned variety = random() % 3 == 0 ? 256 : random() % 20 + 1;
          for (char& c : content) c = static_cast<char>(random() % variety);
          text[which] += content;
          compressor->add(content, object[which], bytes[which]);
        }
      }
      for (int which = 0; which < 2; ++which) {
        compressor->finish(object[which], bytes[which]);
        const std::string back = kind == ObjectCompression::None   ? bytes[which]
                                 : kind == ObjectCompression::Gzip ? gunzip(bytes[which])
                                                                   : unzstd(bytes[which]);
        ASSERT_TRUE(back == text[which]) << "round " << round;
      }
    }
  }
}

TEST(ObjectCompressor, AHugeBlockAndAnEmptyObject) {
  const auto gzip = make_object_compressor(ObjectCompression::Gzip);
  std::string text(40 << 20, 'a');
  for (size_t i = 0; i < text.size(); i += 97) text[i] = static_cast<char>(i);
  std::string bytes;
  CompressedObject object;
  gzip->add(text, object, bytes);
  gzip->finish(object, bytes);
  EXPECT_TRUE(gunzip(bytes) == text);
  std::string empty;
  CompressedObject nothing;
  gzip->finish(nothing, empty);
  EXPECT_EQ(gunzip(empty), "");
}

TEST(ObjectChecksum, KnownValues) {
  SpoolSpace space({}, 0);
  auto spool = space.open();
  ASSERT_TRUE(spool);
  ASSERT_TRUE((*spool)->append("xx123456789yy"));
  const auto digest = [&](ChecksumAlgorithm algorithm) {
    return digest_range((*spool)->fd(), 2, 9, algorithm, true, true).value();
  };
  EXPECT_EQ(digest(ChecksumAlgorithm::Crc32c).checksum, base64_encode("\xe3\x06\x92\x83"));
  EXPECT_EQ(digest(ChecksumAlgorithm::Crc32).checksum, base64_encode("\xcb\xf4\x39\x26"));
  EXPECT_EQ(digest(ChecksumAlgorithm::Sha256Digest).checksum,
            "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
  EXPECT_EQ(digest(ChecksumAlgorithm::None).checksum, "");
  EXPECT_EQ(digest(ChecksumAlgorithm::None).md5, "JfnnlDI7RTiF9RgfG2JNCw==");
  EXPECT_EQ(digest(ChecksumAlgorithm::None).sha256_hex,
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
  EXPECT_EQ(
      digest_range((*spool)->fd(), 10, 9, ChecksumAlgorithm::Crc32c, false, false).error().code,
      ErrorCode::Io);
}

class SpoolTest : public ::testing::Test {
 protected:
  SpoolTest() {
    char name[] = "/tmp/noroshi-spool-test-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~SpoolTest() override { std::filesystem::remove_all(directory_); }
  std::filesystem::path directory_;
};

TEST_F(SpoolTest, LeavesNoFileAndCountsItsSpace) {
  SpoolSpace space(directory_ / "a" / "b", 1000);
  ASSERT_TRUE(space.prepare());
  EXPECT_FALSE(space.in_memory());
  auto first = space.open().value();
  ASSERT_TRUE(first->reserve(600));
  ASSERT_TRUE(first->append(std::string(600, 'x')));
  EXPECT_FALSE(space.crowded());
  auto second = space.open().value();
  ASSERT_TRUE(second->append(std::string(400, 'y')));
  EXPECT_TRUE(space.crowded());
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "a" / "b"));
  first.reset();
  EXPECT_FALSE(space.crowded());
  EXPECT_EQ(space.batch_bytes_max(), 1000U);
}

TEST_F(SpoolTest, MemoryWhereNoDirectoryCanBeMade) {
  std::ofstream(directory_ / "file") << "x";
  SpoolSpace space(directory_ / "file" / "below", 0);
  EXPECT_FALSE(space.prepare());
  EXPECT_TRUE(space.in_memory());
  auto spool = space.open();
  ASSERT_TRUE(spool) << spool.error().message;
  ASSERT_TRUE((*spool)->append("abc"));
  EXPECT_EQ(space.batch_bytes_max(), SpoolSpace::kMemoryBytesMax / 4);
}

TEST_F(SpoolTest, AFullDiskMakesLaterObjectsSmaller) {
  SpoolSpace space(directory_, 0);
  EXPECT_EQ(space.batch_bytes_max(), UINT64_MAX);
  space.note_disk_full(50'000'000);
  EXPECT_EQ(space.batch_bytes_max(), 25'000'000U);
  space.note_delivered();
  EXPECT_EQ(space.batch_bytes_max(), 31'250'000U);
  for (int i = 0; i < 200; ++i) space.note_delivered();
  EXPECT_EQ(space.batch_bytes_max(), UINT64_MAX);
  space.note_disk_full(10);
  EXPECT_EQ(space.batch_bytes_max(), 1U << 20);
}

TEST_F(SpoolTest, OpenUploadsSurviveACrash) {
  OpenUploads before;
  before.load(directory_);
  const OpenUpload first = before.begin("logs/a b.gz", "id-1");
  const OpenUpload second = before.begin("logs/c.gz", "id-2");
  OpenUploads::finished(second);
  std::ofstream(directory_ / "upload-torn") << "only a key";
  std::ofstream(directory_ / "other") << "not ours";

  OpenUploads after;
  after.load(directory_);
  auto orphans = after.take_orphans(10);
  ASSERT_EQ(orphans.size(), 1U);
  EXPECT_EQ(orphans[0].key, "logs/a b.gz");
  EXPECT_EQ(orphans[0].upload_id, "id-1");
  EXPECT_FALSE(after.has_orphans());
  after.abandon(orphans[0]);  // could not be aborted: stays for the next start
  OpenUploads later;
  later.load(directory_);
  EXPECT_TRUE(later.has_orphans());
  OpenUploads::finished(orphans[0]);
  OpenUploads last;
  last.load(directory_);
  EXPECT_FALSE(last.has_orphans());
  EXPECT_TRUE(std::filesystem::exists(directory_ / "other"));
}

}  // namespace
}  // namespace noroshi
