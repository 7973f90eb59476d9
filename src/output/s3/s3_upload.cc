#include "output/s3/s3_upload.h"

#include <fmt/format.h>

#include <algorithm>

#include "aws/region.h"
#include "aws/xml.h"

namespace noroshi {
namespace {

// A request may take this long, and a second more for each 256 KiB of its body.
constexpr Nanoseconds kRequestTimeout = Seconds(30);
constexpr uint64_t kBytesPerSecondMin = 256 << 10;
// CompleteMultipartUpload may take minutes, with white space now and then
// (API_CompleteMultipartUpload).
constexpr Nanoseconds kCompleteTimeout = Seconds(180);
constexpr Nanoseconds kAbortTimeout = Seconds(5);
// Ask S3 before sending bodies from this size on: a redirect or refusal then costs nothing.
constexpr uint64_t kExpectFromBytes = 1 << 20;
constexpr uint64_t kMebibyte = 1 << 20;
// As Fluent Bit: where nothing says otherwise. The bucket's own region is learned from its
// redirect.
constexpr std::string_view kFallbackRegion = "us-east-1";

std::string_view checksum_element(ChecksumAlgorithm algorithm) {
  switch (algorithm) {
    case ChecksumAlgorithm::Crc32:
      return "ChecksumCRC32";
    case ChecksumAlgorithm::Crc32c:
      return "ChecksumCRC32C";
    case ChecksumAlgorithm::Sha256Digest:
      return "ChecksumSHA256";
    case ChecksumAlgorithm::Auto:
    case ChecksumAlgorithm::None:
      break;
  }
  return "";
}

std::string to_upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

}  // namespace

S3Upload::S3Upload(S3UploadOptions options, const AwsEnvironment& environment)
    : options_(std::move(options)), environment_(environment) {}

// ---- Where to
// ------------------------------------------------------------------------------------

Status S3Upload::connect() {
  if (client_) return {};
  Result<std::unique_ptr<AwsClient>> client = make_aws_client(kS3, options_.aws, environment_);
  if (!client && client.error().code == ErrorCode::NotFound) {
    log_info(options_.component, "no region is configured or found: asking {} where bucket {} is",
             kFallbackRegion, options_.bucket);
    options_.aws.region = kFallbackRegion;
    client = make_aws_client(kS3, options_.aws, environment_);
  }
  if (!client) return std::unexpected(std::move(client.error()));
  client_ = *std::move(client);
  return point_at(client_->region());
}

Status S3Upload::point_at(const std::string& region) {
  NOROSHI_ASSIGN(Endpoint endpoint, resolve_endpoint(kS3,
                                                     {.endpoint = options_.aws.endpoint,
                                                      .port = options_.aws.port,
                                                      .region = region,
                                                      .profile = options_.aws.profile,
                                                      .tls = options_.aws.tls},
                                                     environment_));
  BucketAddress address = bucket_address(endpoint, options_.bucket);
  custom_endpoint_ = endpoint.custom;
  path_prefix_ = std::move(address.prefix);
  checksum_ = options_.checksum;
  if (checksum_ == ChecksumAlgorithm::Auto) {
    // Many services that speak S3 refuse or mangle the newer headers; the signed hash of the body,
    // which they all check, does the same there.
    checksum_ = custom_endpoint_ ? ChecksumAlgorithm::None : ChecksumAlgorithm::Crc32c;
  }
  client_->move_to(region, Endpoint{std::move(address.url), endpoint.custom});
  return {};
}

// Hashing the body for the signature costs more than the CRC; over TLS to AWS the CRC is enough.
bool S3Upload::hash_payload() const {
  return custom_endpoint_ || checksum_ == ChecksumAlgorithm::None ||
         client_->endpoint().url.scheme != "https";
}

bool S3Upload::follow_redirect(const AwsAnswer& answer, Monotonic deadline) {
  if (custom_endpoint_ || answer.fault->kind != AwsFaultKind::Redirect) return false;
  std::string region(answer.response.headers.get("x-amz-bucket-region"));
  if (region.empty()) {
    if (const auto document = XmlDocument::parse(answer.response.body))
      region = document->get("Error/Region");
  }
  if (region.empty()) {
    AwsRequest head;
    head.method = "HEAD";
    head.path = path_prefix_ + "/";
    const auto bucket = client_->call(head, deadline);
    if (bucket) region = bucket->response.headers.get("x-amz-bucket-region");
  }
  if (!is_region_name(region) || region == client_->region()) return false;
  log_warn(options_.component, "bucket {} is in {}, not in {}: going there", options_.bucket,
           region, client_->region());
  return point_at(region).has_value();
}

Result<AwsAnswer> S3Upload::call(AwsRequest& request, std::string_view key, uint64_t body_bytes,
                                 Monotonic deadline) {
  for (const auto& [name, value] : options_.request_headers) request.headers.set(name, value);
  const Nanoseconds timeout =
      kRequestTimeout + Seconds(static_cast<int64_t>(body_bytes / kBytesPerSecondMin));
  const Monotonic until = std::min(deadline, system_clock().monotonic() + timeout);
  request.path = path_prefix_ + "/" + std::string(key);
  NOROSHI_ASSIGN(AwsAnswer answer, client_->call(request, until));
  if (answer.ok() || !follow_redirect(answer, until)) return answer;
  request.path = path_prefix_ + "/" + std::string(key);
  return client_->call(request, until);
}

// ---- What an answer means
// ------------------------------------------------------------------------

std::string S3Upload::describe(std::string_view operation, const S3Batch& batch) const {
  return fmt::format("{} s3://{}/{}", operation, options_.bucket, batch.key());
}

Delivery S3Upload::failed(std::string_view operation, const S3Batch& batch,
                          const Error& error) const {
  const bool needs_somebody =
      error.code == ErrorCode::Denied || error.code == ErrorCode::InvalidArgument;
  return Delivery::retry(needs_somebody ? RetryClass::Auth : RetryClass::Transient,
                         describe(operation, batch) + ": " + error.message);
}

Delivery S3Upload::refused(std::string_view operation, const S3Batch& batch,
                           const AwsFault& fault) const {
  std::string reason = describe(operation, batch) + ": " + fault.describe();
  if (fault.code == "AccessDenied") {
    reason += fmt::format(
        "; the task's role needs s3:PutObject and s3:AbortMultipartUpload on "
        "arn:aws:s3:::{}/*, and with SSE-KMS kms:GenerateDataKey and kms:Decrypt",
        options_.bucket);
  } else if (fault.code == "NoSuchBucket") {
    reason += "; the bucket does not exist";
  } else if (fault.kind == AwsFaultKind::Redirect && custom_endpoint_) {
    reason += "; the configured endpoint is not where the bucket is";
  }
  RetryClass retry_class = RetryClass::Auth;
  if (fault.kind == AwsFaultKind::Transient) retry_class = RetryClass::Transient;
  if (fault.kind == AwsFaultKind::Throttled) retry_class = RetryClass::Throttled;
  Delivery delivery = Delivery::retry(retry_class, std::move(reason));
  delivery.retry_after = fault.retry_after;
  return delivery;
}

// ---- The two ways
// --------------------------------------------------------------------------------

Delivery S3Upload::deliver(S3Batch& batch, Monotonic deadline) {
  if (const Status sealed = batch.seal(); !sealed) return failed("writing", batch, sealed.error());
  if (const Status connected = connect(); !connected)
    return failed("connecting for", batch, connected.error());
  return batch.spool().size() < options_.multipart_threshold ? put(batch, deadline)
                                                             : multipart(batch, deadline);
}

Status S3Upload::set_body(AwsRequest& request, S3Batch& batch, uint64_t position, uint64_t size,
                          std::optional<RangeDigests>& digests) {
  if (!digests || (hash_payload() && digests->sha256_hex.empty())) {
    NOROSHI_ASSIGN(digests, digest_range(batch.spool().fd(), position, size, checksum_,
                                         hash_payload(), options_.content_md5));
  }
  request.file = HttpFileBody{batch.spool().fd(), position, size};
  request.payload_hash = hash_payload() ? digests->sha256_hex : std::string(kUnsignedPayload);
  request.expect_continue = size >= kExpectFromBytes;
  if (!digests->checksum.empty()) {
    request.headers.set("x-amz-checksum-" + std::string(checksum_name(checksum_)),
                        digests->checksum);
    request.headers.set("x-amz-sdk-checksum-algorithm", to_upper(checksum_name(checksum_)));
  }
  if (!digests->md5.empty()) request.headers.set("Content-MD5", digests->md5);
  return {};
}

Delivery S3Upload::put(S3Batch& batch, Monotonic deadline) {
  constexpr std::string_view kOperation = "PutObject";
  AwsRequest request;
  request.method = "PUT";
  request.headers = options_.object_headers;
  const uint64_t size = batch.spool().size();
  if (const Status body = set_body(request, batch, 0, size, batch.digests()); !body) {
    return failed(kOperation, batch, body.error());
  }
  const Result<AwsAnswer> answer = call(request, batch.key(), size, deadline);
  if (!answer) return failed(kOperation, batch, answer.error());
  if (!answer->ok()) return refused(kOperation, batch, *answer->fault);
  if (answer->response.headers.get("ETag").empty()) {
    return Delivery::retry(
        RetryClass::Transient,
        describe(kOperation, batch) + ": an answer without ETag does not come from S3");
  }
  return Delivery::delivered();
}

Delivery S3Upload::multipart(S3Batch& batch, Monotonic deadline) {
  if (!batch.progress().upload) {
    if (const auto stop = create(batch, deadline)) return *stop;
  }
  const uint64_t size = batch.spool().size();
  while (batch.progress().parts.size() * batch.progress().part_bytes < size) {
    if (const auto stop = upload_part(batch, deadline)) return *stop;
  }
  return complete(batch, deadline);
}

std::optional<Delivery> S3Upload::create(S3Batch& batch, Monotonic deadline) {
  constexpr std::string_view kOperation = "CreateMultipartUpload";
  AwsRequest request;
  request.query = {{"uploads", ""}};
  request.headers = options_.object_headers;
  if (checksum_ != ChecksumAlgorithm::None) {
    request.headers.set("x-amz-checksum-algorithm", to_upper(checksum_name(checksum_)));
  }
  const Result<AwsAnswer> answer = call(request, batch.key(), 0, deadline);
  if (!answer) return failed(kOperation, batch, answer.error());
  if (!answer->ok()) return refused(kOperation, batch, *answer->fault);
  const auto document = XmlDocument::parse(answer->response.body);
  const std::string id = document ? document->get("InitiateMultipartUploadResult/UploadId") : "";
  if (id.empty()) {
    return Delivery::retry(RetryClass::Transient,
                           describe(kOperation, batch) + ": the answer has no UploadId");
  }
  UploadProgress& progress = batch.progress();
  progress.upload = batch.uploads().begin(batch.key(), id);
  const uint64_t smallest = (batch.spool().size() + kPartsMax - 1) / kPartsMax;
  progress.part_bytes = std::max(
      {options_.part_bytes, kPartBytesMin, (smallest + kMebibyte - 1) / kMebibyte * kMebibyte});
  return std::nullopt;
}

std::optional<Delivery> S3Upload::upload_part(S3Batch& batch, Monotonic deadline) {
  constexpr std::string_view kOperation = "UploadPart";
  UploadProgress& progress = batch.progress();
  const uint64_t position = progress.parts.size() * progress.part_bytes;
  const uint64_t size = std::min(progress.part_bytes, batch.spool().size() - position);
  AwsRequest request;
  request.method = "PUT";
  request.query = {{"partNumber", std::to_string(progress.parts.size() + 1)},
                   {"uploadId", progress.upload->upload_id}};
  std::optional<RangeDigests> digests;
  if (const Status body = set_body(request, batch, position, size, digests); !body) {
    return failed(kOperation, batch, body.error());
  }
  const Result<AwsAnswer> answer = call(request, batch.key(), size, deadline);
  if (!answer) return failed(kOperation, batch, answer.error());
  if (!answer->ok()) {
    if (answer->fault->code == "NoSuchUpload") {
      batch.forget_upload();  // a lifecycle rule or somebody else ended it
      Delivery delivery = refused(kOperation, batch, *answer->fault);
      delivery.retry_class = RetryClass::Transient;
      return delivery;
    }
    return refused(kOperation, batch, *answer->fault);
  }
  std::string etag(answer->response.headers.get("ETag"));
  if (etag.empty()) {
    return Delivery::retry(
        RetryClass::Transient,
        describe(kOperation, batch) + ": an answer without ETag does not come from S3");
  }
  progress.parts.push_back({std::move(etag), digests->checksum});
  return std::nullopt;
}

Delivery S3Upload::complete(S3Batch& batch, Monotonic deadline) {
  constexpr std::string_view kOperation = "CompleteMultipartUpload";
  UploadProgress& progress = batch.progress();
  const std::string_view element = checksum_element(checksum_);
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (size_t i = 0; i < progress.parts.size(); ++i) {
    const UploadProgress::Part& part = progress.parts[i];
    body += "<Part><ETag>" + xml_escape(part.etag) + "</ETag>";
    if (!part.checksum.empty()) body += fmt::format("<{0}>{1}</{0}>", element, part.checksum);
    body += fmt::format("<PartNumber>{}</PartNumber></Part>", i + 1);
  }
  body += "</CompleteMultipartUpload>";
  AwsRequest request;
  request.query = {{"uploadId", progress.upload->upload_id}};
  request.headers.set("Content-Type", "application/xml");
  request.body = body;
  const uint64_t as_bytes =
      static_cast<uint64_t>(
          std::chrono::duration_cast<Seconds>(kCompleteTimeout - kRequestTimeout).count()) *
      kBytesPerSecondMin;
  const Result<AwsAnswer> answer = call(request, batch.key(), as_bytes, deadline);
  if (!answer) return failed(kOperation, batch, answer.error());
  // aws_fault() has looked into the body: a 200 may hold an <Error>.
  if (answer->ok()) {
    const auto document = XmlDocument::parse(answer->response.body);
    if (!document || document->root() != "CompleteMultipartUploadResult") {
      return Delivery::retry(RetryClass::Transient,
                             describe(kOperation, batch) + ": the answer is not S3's");
    }
  } else if (answer->fault->code == "NoSuchUpload" && is_stored(batch, deadline)) {
    // The answer to an earlier attempt was lost, not the object.
  } else {
    const std::string& code = answer->fault->code;
    // These mean that the parts are not what we think: from the beginning.
    const bool start_over = code == "NoSuchUpload" || code == "InvalidPart" ||
                            code == "InvalidPartOrder" || code == "EntityTooSmall";
    Delivery delivery = refused(kOperation, batch, *answer->fault);
    if (start_over) {
      batch.forget_upload();
      delivery.retry_class = RetryClass::Transient;
    }
    return delivery;
  }
  OpenUploads::finished(*progress.upload);
  progress.upload.reset();
  return Delivery::delivered();
}

bool S3Upload::is_stored(const S3Batch& batch, Monotonic deadline) {
  AwsRequest request;
  request.method = "HEAD";
  const Result<AwsAnswer> answer = call(request, batch.key(), 0, deadline);
  return answer && answer->ok() &&
         answer->response.headers.get("Content-Length") == std::to_string(batch.spool().size());
}

void S3Upload::abort_orphans(OpenUploads& uploads, size_t count, Monotonic deadline) {
  if (!uploads.has_orphans() || !connect()) return;
  for (OpenUpload& upload : uploads.take_orphans(count)) {
    AwsRequest request;
    request.method = "DELETE";
    request.query = {{"uploadId", upload.upload_id}};
    const Result<AwsAnswer> answer = call(
        request, upload.key, 0, std::min(deadline, system_clock().monotonic() + kAbortTimeout));
    const bool gone = answer && (answer->ok() || answer->fault->code == "NoSuchUpload");
    if (gone) {
      OpenUploads::finished(upload);
    } else {
      uploads.abandon(std::move(upload));
    }
  }
}

}  // namespace noroshi
