// Listing against a slow reference, addresses, and what the client tests do not reach.

#include "localaws/s3_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>

#include "localaws/hashes.h"
#include "localaws/s3_address.h"

namespace noroshi::localaws {
namespace {

class S3StoreTest : public testing::Test {
 protected:
  S3StoreTest() : path_(fmt::format("{}/s3-{}", testing::TempDir(), hex(random_bytes(8)))) {
    reopen();
  }
  ~S3StoreTest() override { std::filesystem::remove_all(path_); }

  void reopen() {
    store_.reset();
    auto opened = S3Store::open(path_, system_clock());
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
  }
  void put(const std::string& key, std::string_view body = "x") {
    auto file = store_->new_file();
    ASSERT_TRUE(file);
    ASSERT_TRUE(write_all(file->fd(), body));
    ASSERT_TRUE(store_->put_object(
        "bucket", {.key = key, .bytes = body.size(), .etag = hex(hash(HashAlgorithm::Md5, body))},
        *std::move(file), {}));
  }

  std::string path_;
  std::unique_ptr<S3Store> store_;
};

// What ListObjectsV2 says, in the words of its documentation: keys and common prefixes in one
// order.
std::vector<std::string> reference_listing(const std::set<std::string>& keys,
                                           const std::string& prefix,
                                           const std::string& delimiter) {
  std::vector<std::string> out;
  for (const std::string& key : keys) {
    if (!key.starts_with(prefix)) continue;
    const size_t cut = delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
    const std::string entry =
        cut == std::string::npos ? key : key.substr(0, cut + delimiter.size()) + "*";
    if (out.empty() || out.back() != entry) out.push_back(entry);
  }
  return out;
}

TEST_F(S3StoreTest, ListsLikeTheReference) {
  ASSERT_TRUE(store_->create_bucket("bucket", "us-east-1"));
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  std::set<std::string> keys;
  for (int i = 0; i < 150; ++i) {
    std::string key;
    for (size_t n = 1 + random() % 6; n > 0; --n) key += "ab/"[random() % 3];
    keys.insert(key);
    put(key);
  }
  for (const std::string prefix : {"", "a", "a/", "b/a", "ab/", "/", "none"}) {
    for (const std::string delimiter : {"", "/", "a", "b/"}) {
      for (const size_t limit : {1, 2, 3, 7, 1000}) {
        std::vector<std::string> got;
        std::string after;
        for (;;) {
          const auto page = store_->list_objects("bucket", prefix, delimiter, after, limit);
          ASSERT_TRUE(page);
          std::vector<std::string> entries = page->common_prefixes;
          for (std::string& entry : entries) entry += "*";
          for (const auto& object : page->objects) entries.push_back(object->key);
          std::ranges::sort(entries, [](const std::string& a, const std::string& b) {
            const auto plain = [](std::string text) {
              if (text.ends_with('*')) text.pop_back();
              return text;
            };
            return plain(a) < plain(b);
          });
          ASSERT_LE(entries.size(), limit);
          got.insert(got.end(), entries.begin(), entries.end());
          if (!page->truncated) break;
          ASSERT_LT(got.size(), 1000U);
          after = page->last;
        }
        EXPECT_EQ(got, reference_listing(keys, prefix, delimiter))
            << "prefix " << prefix << ", delimiter " << delimiter << ", limit " << limit;
      }
    }
  }
}

TEST_F(S3StoreTest, LeavesNothingBehind) {
  ASSERT_TRUE(store_->create_bucket("bucket", "us-east-1"));
  for (int i = 0; i < 10; ++i) put("key", std::string(static_cast<size_t>(i), 'x'));
  {
    auto abandoned = store_->new_file();
    ASSERT_TRUE(abandoned);
  }
  const auto files = [&] {
    size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
      count += entry.is_regular_file();
    }
    return count;
  };
  EXPECT_EQ(files(), 3U);  // bucket.json, key.meta, key@…
  // A file that was moved into place without its commit, as a kill between the two leaves it.
  ASSERT_TRUE(replace_file(path_ + "/s3/bucket/objects/key@0000", "orphan"));
  reopen();
  EXPECT_EQ(files(), 3U);
  EXPECT_EQ((*store_->find_object("bucket", "key"))->bytes, 9U);
  ASSERT_TRUE(store_->delete_object("bucket", "key"));
  EXPECT_EQ(files(), 1U);
}

TEST_F(S3StoreTest, DamagedMetadataIsAnErrorWithItsName) {
  ASSERT_TRUE(store_->create_bucket("bucket", "us-east-1"));
  put("key");
  ASSERT_TRUE(replace_file(path_ + "/s3/bucket/objects/key.meta", "{\"key\":1}"));
  const auto opened = S3Store::open(path_, system_clock());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::Corrupt);
  EXPECT_NE(opened.error().message.find("key.meta"), std::string::npos);
}

std::string address(std::string method, std::string host, std::string target,
                    std::vector<ServerHeader> more = {}) {
  ServerRequest head{
      .method = std::move(method), .target = std::move(target), .headers = std::move(more)};
  head.headers.push_back({"Host", std::move(host)});
  const auto query = parse_query(head.query());
  const auto found =
      s3_address(head, *query, [](std::string_view name) { return name == "known.bucket"; });
  if (!found) return found.error().code;
  return fmt::format("{} {} {}", found->operation, found->bucket, found->key);
}

TEST(S3Address, PathAndHostStyles) {
  EXPECT_EQ(address("GET", "127.0.0.1:4566", "/"), "ListBuckets  ");
  EXPECT_EQ(address("PUT", "127.0.0.1:4566", "/b"), "CreateBucket b ");
  EXPECT_EQ(address("PUT", "127.0.0.1", "/b//k"), "PutObject b /k");
  EXPECT_EQ(address("GET", "localhost:4566", "/b/k%20%2B+"), "GetObject b k ++");
  EXPECT_EQ(address("GET", "[::1]:4566", "/b/k"), "GetObject b k");
  EXPECT_EQ(address("GET", "b.s3.eu-west-1.amazonaws.com", "/k/l"), "GetObject b k/l");
  EXPECT_EQ(address("GET", "b.c.s3.localhost:4566", "/k"), "GetObject b.c k");
  EXPECT_EQ(address("GET", "b.s3-fips.eu-west-1.amazonaws.com", "/"), "ListObjects b ");
  EXPECT_EQ(address("GET", "b.localhost", "/k"), "GetObject b k");
  EXPECT_EQ(address("GET", "s3.localhost", "/b/k"), "GetObject b k");
  EXPECT_EQ(address("GET", "known.bucket.some.where", "/k"), "GetObject known.bucket k");
  EXPECT_EQ(address("GET", "un.known.some.where", "/b/k"), "GetObject b k");
}

TEST(S3Address, OperationsAreNeverMistaken) {
  EXPECT_EQ(address("PUT", "h", "/b/k?tagging"), "NotImplemented b k");
  EXPECT_EQ(address("PUT", "h", "/b/k?acl"), "NotImplemented b k");
  EXPECT_EQ(address("PUT", "h", "/b/k", {{"x-amz-copy-source", "/b/other"}}), "NotImplemented b k");
  EXPECT_EQ(address("PUT", "h", "/b/k?partNumber=1&uploadId=u"), "UploadPart b k");
  EXPECT_EQ(address("POST", "h", "/b/k?uploads"), "CreateMultipartUpload b k");
  EXPECT_EQ(address("POST", "h", "/b/k?uploadId=u"), "CompleteMultipartUpload b k");
  EXPECT_EQ(address("DELETE", "h", "/b/k?uploadId=u"), "AbortMultipartUpload b k");
  EXPECT_EQ(address("DELETE", "h", "/b/k"), "DeleteObject b k");
  EXPECT_EQ(address("POST", "h", "/b?delete"), "DeleteObjects b ");
  EXPECT_EQ(address("GET", "h", "/b?list-type=2"), "ListObjectsV2 b ");
  EXPECT_EQ(address("POST", "h", "/b/k"), "MethodNotAllowed");
  EXPECT_EQ(address("PATCH", "h", "/b/k"), "MethodNotAllowed");
  EXPECT_EQ(address("GET", "h", "/b/%FF"), "InvalidURI");
  EXPECT_EQ(address("GET", "h", "/b/%2"), "InvalidURI");
  EXPECT_EQ(address("GET", "h", "*"), "InvalidURI");
  EXPECT_EQ(address("GET", "h", "/b/" + std::string(1025, 'k')), "KeyTooLongError");
}

}  // namespace
}  // namespace noroshi::localaws
