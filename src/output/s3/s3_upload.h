// S3Upload: one attempt to bring a sealed S3Batch to its bucket, and the one decision what each
// answer means.
//
//   small: PutObject
//   large: CreateMultipartUpload, UploadPart …, CompleteMultipartUpload; a Retry goes on there
//
// Nothing S3 can answer makes a batch wrong for good (its bytes are free of choice): whatever is
// refused is the bucket's, the role's or the configuration's fault, can be repaired outside, and is
// tried again.
//
// On the delivery thread of its output only; deliver() blocks, and returns by its deadline.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "aws/aws_client.h"
#include "output/output.h"
#include "output/s3/s3_batch.h"

namespace noroshi {

struct S3UploadOptions {
  std::string component = "output:s3";
  std::string bucket = {};
  AwsSettings aws = {};
  uint64_t multipart_threshold = 25'000'000;  // objects from this size on go in parts
  uint64_t part_bytes = 8 << 20;              // more where 10,000 parts would not do
  ChecksumAlgorithm checksum = ChecksumAlgorithm::Auto;
  bool content_md5 = false;
  // Headers of PutObject and CreateMultipartUpload: Content-Type, x-amz-storage-class, …
  HttpHeaders object_headers = {};
  // Headers of every request: x-amz-expected-bucket-owner.
  HttpHeaders request_headers = {};
};

class S3Upload {
 public:
  static constexpr uint32_t kPartsMax = 10'000;
  static constexpr uint64_t kPartBytesMin = 5 << 20;  // S3's limit for all parts but the last

  // The environment is borrowed. No network before the first deliver().
  S3Upload(S3UploadOptions options, const AwsEnvironment& environment);

  [[nodiscard]] Delivery deliver(S3Batch& batch, Monotonic deadline);
  // Aborts up to `count` uploads that nobody will complete.
  void abort_orphans(OpenUploads& uploads, size_t count, Monotonic deadline);

 private:
  [[nodiscard]] Status connect();
  [[nodiscard]] Status point_at(const std::string& region);
  [[nodiscard]] Delivery put(S3Batch& batch, Monotonic deadline);
  [[nodiscard]] Delivery multipart(S3Batch& batch, Monotonic deadline);
  // These three: nullopt means go on.
  [[nodiscard]] std::optional<Delivery> create(S3Batch& batch, Monotonic deadline);
  [[nodiscard]] std::optional<Delivery> upload_part(S3Batch& batch, Monotonic deadline);
  [[nodiscard]] Delivery complete(S3Batch& batch, Monotonic deadline);
  [[nodiscard]] bool is_stored(const S3Batch& batch, Monotonic deadline);

  // Repeats once after a redirect to the bucket's region. `body_bytes` decides the request's own
  // deadline.
  [[nodiscard]] Result<AwsAnswer> call(AwsRequest& request, std::string_view key,
                                       uint64_t body_bytes, Monotonic deadline);
  [[nodiscard]] bool follow_redirect(const AwsAnswer& answer, Monotonic deadline);
  [[nodiscard]] bool hash_payload() const;
  [[nodiscard]] Status set_body(AwsRequest& request, S3Batch& batch, uint64_t position,
                                uint64_t size, std::optional<RangeDigests>& digests);
  [[nodiscard]] Delivery failed(std::string_view operation, const S3Batch& batch,
                                const Error& error) const;
  [[nodiscard]] Delivery refused(std::string_view operation, const S3Batch& batch,
                                 const AwsFault& fault) const;
  [[nodiscard]] std::string describe(std::string_view operation, const S3Batch& batch) const;

  S3UploadOptions options_;
  const AwsEnvironment& environment_;
  std::unique_ptr<AwsClient> client_;
  bool custom_endpoint_ = false;
  ChecksumAlgorithm checksum_ = ChecksumAlgorithm::None;  // Auto resolved
  std::string path_prefix_;                               // "/bucket" for path-style
};

}  // namespace noroshi
