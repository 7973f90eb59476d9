// Output s3: objects in Amazon S3 or anything that speaks its protocol. README.md is its manual.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "config/option_table.h"
#include "output/plugin.h"
#include "output/s3/object_checksum.h"
#include "output/s3/object_compressor.h"
#include "output/s3/s3_batch.h"
#include "output/s3/s3_upload.h"

namespace noroshi {

struct S3Options {
  std::string bucket, region, endpoint;
  LocatedText s3_key_format;
  std::string s3_key_format_tag_delimiters;
  bool static_file_path = false;
  std::string timezone;
  std::string format;
  ByteSize total_file_size, upload_chunk_size, multipart_threshold;
  bool use_put_object = false;
  Nanoseconds upload_timeout{};
  ObjectCompression compression = ObjectCompression::None;
  std::string json_date_key;
  std::string json_date_format;
  std::string log_key;
  std::string store_dir;
  ByteSize store_dir_limit_size;
  std::string content_type, canned_acl, storage_class;
  ChecksumAlgorithm checksum = ChecksumAlgorithm::Auto;
  bool send_content_md5 = false;
  std::string sse, sse_kms_key_id;
  bool bucket_key_enabled = false;
  std::string tags, expected_bucket_owner;
  std::string role_arn, external_id, sts_endpoint, profile;
};

[[nodiscard]] const OptionTable<S3Options>& s3_option_table();

// Checks what one option cannot tell alone; every problem goes to `diagnostics`. s3_options.cc.
void check_s3_options(const Section& section, const S3Options& options, Diagnostics& diagnostics);
// Content-Type, x-amz-storage-class … of the objects.
[[nodiscard]] HttpHeaders s3_object_headers(const S3Options& options);

extern const OutputPlugin kS3Plugin;

}  // namespace noroshi
