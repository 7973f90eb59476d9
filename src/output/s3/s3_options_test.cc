#include "output/s3/s3.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "output/s3/testing/s3_fixture.h"
#include "output/testing/gunzip.h"

namespace noroshi {
namespace {

using testing::gunzip;
using ::testing::HasSubstr;
using testing::kEtag;
using testing::S3Test;
using Outcome = Delivery::Outcome;

class S3Options : public S3Test {
 protected:
  std::string problems(const Pairs& pairs) {
    const auto made = make(pairs);
    EXPECT_EQ(made.has_value(), !diagnostics_.has_errors());
    std::string all;
    for (const Diagnostic& diagnostic : diagnostics_.all()) all += diagnostic.message + "\n";
    return all;
  }
};

TEST_F(S3Options, ConfigurationMistakesAreTold) {
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

TEST_F(S3Options, KeysThatCouldRepeatAreWarnedOf) {
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"s3_key_format", "/logs/%Y/%H%M%S.gz"}}),
              HasSubstr("-<id>"));
  EXPECT_THAT(problems({{"bucket", "bkt"}, {"s3_key_format", "/logs/$INDEX.gz"}}),
              HasSubstr("new task"));
  EXPECT_THAT(
      problems({{"bucket", "bkt"}, {"s3_key_format", "/logs/%S.gz"}, {"static_file_path", "on"}}),
      HasSubstr("overwrite each other"));
  EXPECT_EQ(problems({{"bucket", "bkt"}, {"s3_key_format", "/logs/$UUID.gz"}}), "");
}

TEST_F(S3Options, ObjectsAreMadeInMemoryWhereStoreDirCannotBeWritten) {
  std::ofstream(directory_ / "file") << "x";
  start({{"store_dir", (directory_ / "file").string()}});
  fake_.http.answer(200, "", kEtag);
  EXPECT_EQ(deliver(*small_batch()).outcome, Outcome::Delivered);
  EXPECT_THAT(gunzip(sent(0).body), HasSubstr("\"message\":\"a\""));
}

TEST_F(S3Options, ReadmeTableIsFresh) {
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
