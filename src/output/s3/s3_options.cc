#include <fmt/format.h>

#include <algorithm>

#include "aws/region.h"
#include "http/url.h"
#include "output/s3/s3.h"

namespace noroshi {
namespace {

// API_PutObject: one request takes 5 GB at most.
constexpr uint64_t kPutObjectBytesMax = 5'000'000'000;
// Object tagging: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
constexpr size_t kTagsMax = 10;
constexpr size_t kTagKeyMax = 128;
constexpr size_t kTagValueMax = 256;
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; buckets made before
// 2018 in us-east-1 may be longer and hold capitals and underscores.
constexpr size_t kBucketNameMin = 3;
constexpr size_t kBucketNameMax = 255;

bool is_bucket_name(std::string_view name) {
  return name.size() >= kBucketNameMin && name.size() <= kBucketNameMax &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.' || c == '_';
         });
}

// "team=web,stage=prod", or with '&' in between as the header has it.
QueryParameters parse_tags(std::string_view text) {
  QueryParameters tags;
  while (!text.empty()) {
    const size_t end = text.find_first_of(",&");
    const std::string_view pair = trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    tags.emplace_back(trim(pair.substr(0, equals)),
                      equals == std::string_view::npos ? "" : trim(pair.substr(equals + 1)));
  }
  return tags;
}

void check_tags(const Section& section, const S3Options& options, Diagnostics& diagnostics) {
  const QueryParameters tags = parse_tags(options.tags);
  if (tags.size() > kTagsMax) {
    diagnostics.error(section.where_of("tags"),
                      fmt::format("an object has at most {} tags", kTagsMax));
  }
  for (const auto& [key, value] : tags) {
    if (key.empty() || key.size() > kTagKeyMax || value.size() > kTagValueMax) {
      diagnostics
          .error(section.where_of("tags"),
                 fmt::format(
                     "the tag \"{}\" needs a key of 1 to {} and a value of at most {} characters",
                     key, kTagKeyMax, kTagValueMax))
          .help("write tags as key=value,key=value");
    }
  }
}

}  // namespace

const OptionTable<S3Options>& s3_option_table() {
  using O = S3Options;
  static const auto table =
      OptionTable<O>("s3", "Objects in Amazon S3, each record exactly once.")
          .required("bucket", &O::bucket, "Name of the bucket.")
          .option("region", &O::region,
                  "The bucket's region; else AWS_REGION, the profile, the task's metadata. A wrong "
                  "one is "
                  "corrected by S3's redirect.")
          .option(
              "s3_key_format", &O::s3_key_format, "/fluent-bit-logs/$TAG/%Y/%m/%d/%H/%M/%S",
              "Key of an object: strftime's conversions for the time of its first record, `$TAG`, "
              "`$TAG[n]`, `$UUID`, `$INDEX`. Records of different directories never share an "
              "object.")
          .option("s3_key_format_tag_delimiters", &O::s3_key_format_tag_delimiters, ".",
                  "Characters that part the tag for `$TAG[n]`.")
          .option("static_file_path", &O::static_file_path, "off",
                  "Do not put a unique id into file names without `$UUID`: objects may overwrite "
                  "each other.")
          .option("timezone", &O::timezone, "Time zone of the key (Asia/Tokyo); else UTC.")
          .option("total_file_size", &O::total_file_size, "100M",
                  "Size of an object, as stored (compressed), that closes it.")
          .between("10K", "50G")
          .option("upload_timeout", &O::upload_timeout, "10m",
                  "An object is closed this long after its first record arrived.")
          .between("1s", "1d")
          .choice("format", &O::format, "json_lines", {"json_lines", "json"},
                  "One JSON object a line; `json` means the same, as in Fluent Bit.")
          .choice("compression", &O::compression, "none",
                  {{"none", ObjectCompression::None},
                   {"gzip", ObjectCompression::Gzip},
                   {"zstd", ObjectCompression::Zstd}},
                  "Compression of objects.")
          .option("multipart_threshold", &O::multipart_threshold, "25M",
                  "Objects from this size on are uploaded in parts.")
          .between("5M", "5G")
          .option("upload_chunk_size", &O::upload_chunk_size, "8MiB", "Size of a part.")
          .between("5242880", "5G")
          .option("use_put_object", &O::use_put_object, "off", "Never upload in parts.")
          .option("json_date_key", &O::json_date_key, "date",
                  "Key for the record's time, first in the line; false: none.")
          .choice("json_date_format", &O::json_date_format, "iso8601",
                  {"double", "epoch", "epoch_ms", "iso8601", "java_sql_timestamp"},
                  "Form of that time.")
          .option("log_key", &O::log_key,
                  "Write the value of this key instead of the whole record. A record without it is "
                  "written "
                  "whole.")
          .option("store_dir", &O::store_dir, "/tmp/fluent-bit/s3",
                  "Directory for objects that are not yet uploaded. They are made again from the "
                  "journal "
                  "after a crash. Not writable: a folder beside the journal, else memory with "
                  "smaller objects.")
          .option(
              "store_dir_limit_size", &O::store_dir_limit_size, "0",
              "Bytes in store_dir at most; when reached, objects are uploaded early. 0: no limit.")
          .option("content_type", &O::content_type, "application/x-ndjson",
                  "Content-Type of objects.")
          .choice(
              "canned_acl", &O::canned_acl, "",
              {"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read",
               "bucket-owner-read", "bucket-owner-full-control", "log-delivery-write"},
              "ACL of objects.")
          .option("storage_class", &O::storage_class,
                  "Storage class of objects: STANDARD_IA, GLACIER_IR …")
          .choice("checksum", &O::checksum, "auto",
                  {{"auto", ChecksumAlgorithm::Auto},
                   {"none", ChecksumAlgorithm::None},
                   {"crc32", ChecksumAlgorithm::Crc32},
                   {"crc32c", ChecksumAlgorithm::Crc32c},
                   {"sha256", ChecksumAlgorithm::Sha256Digest}},
                  "Integrity checksum. auto: crc32c on AWS; with an endpoint of your own the "
                  "signed SHA-256 "
                  "of the body, which every S3 checks.")
          .option("send_content_md5", &O::send_content_md5, "off", "Send Content-MD5 too.")
          .choice("sse", &O::sse, "", {"AES256", "aws:kms", "aws:kms:dsse"},
                  "Server-side encryption.")
          .option("sse_kms_key_id", &O::sse_kms_key_id, "KMS key for sse aws:kms.")
          .option("bucket_key_enabled", &O::bucket_key_enabled, "off",
                  "Use the bucket's key: fewer calls of KMS.")
          .option("tags", &O::tags, "Tags of objects: key=value,key=value.")
          .option("expected_bucket_owner", &O::expected_bucket_owner,
                  "Account that must own the bucket, else nothing is written.")
          .option("endpoint", &O::endpoint,
                  "Host, host:port or URL (http:// too) instead of the region's; else "
                  "AWS_ENDPOINT_URL_S3, "
                  "AWS_ENDPOINT_URL.")
          .option("role_arn", &O::role_arn, "Role to assume on top of the found credentials.")
          .option("external_id", &O::external_id, "External id for that.")
          .option("sts_endpoint", &O::sts_endpoint, "Where to assume it.")
          .option("profile", &O::profile, "Profile of the AWS configuration files.")
          .ignored("preserve_data_ordering", "Objects of one directory are always sent in order.")
          .ignored("auto_retry_requests", "Requests are repeated as the delivery loop decides.")
          .ignored("upload_parts_timeout", "For blobs; there are none here.")
          .ignored("upload_part_freshness_limit", "For blobs; there are none here.")
          .ignored("retry_exhausted_action", "What is given up goes to the dead letters.")
          .ignored("quarantine_dir_limit_size", "What is given up goes to the dead letters.")
          .ignored("blob_database_file", "For blobs; there are none here.")
          .ignored("part_size", "For blobs; see upload_chunk_size.")
          .ignored("part_delivery_attempt_limit", "For blobs; there are none here.")
          .ignored("file_delivery_attempt_limit", "For blobs; there are none here.")
          .ignored("authorization_endpoint_*", "For blobs; there are none here.",
                   "has no effect: requests are signed with AWS credentials")
          .ignored("credentials_endpoint", "The task's credentials are found by themselves.",
                   "is ignored: set AWS_CONTAINER_CREDENTIALS_FULL_URI instead");
  return table;
}

void check_s3_options(const Section& section, const S3Options& options, Diagnostics& diagnostics) {
  if (options.bucket.starts_with("arn:")) {
    diagnostics.error(section.where_of("bucket"), "an ARN cannot be used as bucket")
        .help("use the access point's alias (…-s3alias)");
  } else if (!options.bucket.empty() && !is_bucket_name(options.bucket)) {
    diagnostics.error(section.where_of("bucket"),
                      fmt::format("\"{}\" cannot be the name of a bucket", options.bucket));
  }
  if (!options.region.empty() && !is_region_name(options.region)) {
    diagnostics.error(section.where_of("region"),
                      fmt::format("\"{}\" is not the name of an AWS region", options.region));
  }
  if (options.use_put_object && options.total_file_size.bytes > kPutObjectBytesMax) {
    diagnostics
        .error(section.where_of("total_file_size"), "PutObject takes objects of 5 GB at most")
        .note("use_put_object is set here", section.where_of("use_put_object"));
  }
  for (const auto& [name, text] : {std::pair("content_type", &options.content_type),
                                   std::pair("storage_class", &options.storage_class),
                                   std::pair("sse_kms_key_id", &options.sse_kms_key_id)}) {
    if (std::ranges::any_of(*text, [](unsigned char c) { return c < 0x20 || c >= 0x7F; })) {
      diagnostics.error(section.where_of(name), fmt::format("{} must be printable ASCII", name));
    }
  }
  const std::string& owner = options.expected_bucket_owner;
  if (!owner.empty() &&
      (owner.size() != 12 || owner.find_first_not_of("0123456789") != std::string::npos)) {
    diagnostics.error(section.where_of("expected_bucket_owner"),
                      fmt::format("\"{}\" is not an account id of 12 digits", owner));
  }
  if (!options.sse_kms_key_id.empty() && !options.sse.starts_with("aws:kms")) {
    diagnostics.error(section.where_of("sse_kms_key_id"),
                      "a KMS key needs sse aws:kms or aws:kms:dsse");
  }
  if (options.send_content_md5 && !md5_available()) {
    diagnostics.error(section.where_of("send_content_md5"), "MD5 is not available (FIPS mode)");
  }
  check_tags(section, options, diagnostics);
}

HttpHeaders s3_object_headers(const S3Options& options) {
  HttpHeaders headers;
  const auto set = [&headers](std::string_view name, std::string_view value) {
    if (!value.empty()) headers.set(name, value);
  };
  set("Content-Type", options.content_type);
  if (options.compression == ObjectCompression::Gzip) set("Content-Encoding", "gzip");
  if (options.compression == ObjectCompression::Zstd) set("Content-Encoding", "zstd");
  set("x-amz-acl", options.canned_acl);
  set("x-amz-storage-class", options.storage_class);
  set("x-amz-server-side-encryption", options.sse);
  set("x-amz-server-side-encryption-aws-kms-key-id", options.sse_kms_key_id);
  if (options.bucket_key_enabled) set("x-amz-server-side-encryption-bucket-key-enabled", "true");
  set("x-amz-tagging", encode_query(parse_tags(options.tags)));
  return headers;
}

}  // namespace noroshi
