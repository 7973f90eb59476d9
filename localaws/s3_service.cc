#include "localaws/s3_service.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "localaws/aws_chunked.h"
#include "localaws/checksums.h"
#include "localaws/s3_headers.h"
#include "localaws/s3_operations.h"
#include "localaws/xml.h"

namespace noroshi::localaws {
namespace {

// A refused body of at most this size is read and dropped, so that the connection can go on.
constexpr uint64_t kDroppedBytesMax = 1 << 20;

constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";
constexpr std::string_view kStreamingUnsigned = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
constexpr std::string_view kStreamingSigned = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
constexpr std::string_view kStreamingSignedTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

std::optional<uint64_t> number_header(const ServerRequest& head, std::string_view name) {
  const std::string_view text = head.header(name);
  uint64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

class S3Exchange final : public HttpExchange {
 public:
  S3Exchange(const S3Context& context, ServerRequest head, Parameters query, S3Address address,
             std::string request_id)
      : context_(context),
        head_(std::move(head)),
        query_(std::move(query)),
        address_(std::move(address)),
        request_id_(std::move(request_id)),
        to_file_(address_.operation == "PutObject" || address_.operation == "UploadPart") {
    if (auto begun = begin(); !begun) error_ = std::move(begun).error();
  }

  bool wants_body() override {
    // A refusal is answered before a large body, or one that asks first, is sent.
    if (!error_) return true;
    return head_.find_header("expect") == nullptr &&
           number_header(head_, "content-length").value_or(UINT64_MAX) <= kDroppedBytesMax;
  }

  bool take(std::string_view piece) override {
    if (error_) return (dropped_ += piece.size()) <= kDroppedBytesMax;
    auto taken =
        decoder_ ? decoder_->decode(piece, [this](std::string_view data) { return store(data); })
                 : store(piece);
    if (!taken) error_ = std::move(taken).error();
    return !error_ || piece.size() <= kDroppedBytesMax;
  }

  ServerResponse finish() override {
    ServerResponse response;
    if (!error_) {
      auto answer = run();
      if (answer) {
        response = *std::move(answer);
      } else {
        error_ = std::move(answer).error();
      }
    }
    if (error_) response = s3_error(*error_, head_, request_id_);
    if (!error_) {
      response.headers.push_back({"x-amz-request-id", request_id_});
      response.headers.push_back({"x-amz-id-2", base64(hash(HashAlgorithm::Sha256, request_id_))});
    }
    return response;
  }

 private:
  Answer<void> begin() {
    NOROSHI_ASSIGN(const ClaimedSignature claimed, claimed_signature(head_, query_, Service::S3));
    std::string payload(head_.header("x-amz-content-sha256"));
    if (payload.empty()) {
      if (!claimed.presigned) {
        return refuse(400, "InvalidRequest",
                      "Missing required header for this request: x-amz-content-sha256");
      }
      payload = kUnsigned;
    }
    NOROSHI_ASSIGN(const VerifiedSignature verified,
                   verify_signature(head_, query_, claimed, Service::S3, payload, context_.policy,
                                    context_.clock.wall()));
    if (address_.operation == "NotImplemented") {
      return refuse(501, "NotImplemented",
                    "A header or query you provided implies functionality that is not implemented");
    }
    const std::string_view owner = head_.header("x-amz-expected-bucket-owner");
    if (!owner.empty() && owner != context_.policy.issuer.account_id()) {
      return refuse(403, "AccessDenied", "Access Denied");
    }

    const bool streaming_unsigned = payload == kStreamingUnsigned;
    const bool streaming_signed = payload == kStreamingSigned || payload == kStreamingSignedTrailer;
    if (streaming_unsigned || streaming_signed) {
      std::optional<ChunkSigning> signing;
      if (streaming_signed) {
        signing =
            ChunkSigning{verified.signing_key, claimed.date, claimed.scope, claimed.signature};
      }
      decoder_.emplace(std::move(signing), payload != kStreamingSigned);
    }
    const bool hashed = !decoder_ && payload != kUnsigned;
    NOROSHI_ASSIGN(BodyChecks checks, BodyChecks::make(head_, hashed));
    checks_.emplace(std::move(checks));
    if (to_file_) return begin_file();
    const uint64_t bytes = number_header(head_, "content-length").value_or(0);
    if (bytes > kS3CommandBytesMax) return too_large(bytes, kS3CommandBytesMax);
    return {};
  }

  static std::unexpected<AwsError> too_large(uint64_t bytes, uint64_t limit) {
    return std::unexpected(AwsError{
        400,
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size",
        {{"ProposedSize", std::to_string(bytes)}, {"MaxSizeAllowed", std::to_string(limit)}}});
  }

  // Everything that can be refused before the bytes come.
  Answer<void> begin_file() {
    expected_bytes_ =
        number_header(head_, decoder_ ? "x-amz-decoded-content-length" : "content-length");
    if (!expected_bytes_) {
      return refuse(411, "MissingContentLength",
                    "You must provide the Content-Length HTTP header.");
    }
    if (*expected_bytes_ > S3Store::kObjectBytesMax) {
      return too_large(*expected_bytes_, S3Store::kObjectBytesMax);
    }
    NOROSHI_TRY(context_.store.find_bucket(address_.bucket));
    if (address_.operation == "UploadPart") {
      NOROSHI_TRY(begin_part());
    } else {
      NOROSHI_ASSIGN(headers_, object_headers(head_));
      NOROSHI_ASSIGN(condition_, write_condition(head_));
    }
    auto file = context_.store.new_file();
    if (!file) return internal_error(file.error().message);
    file_.emplace(*std::move(file));
    return {};
  }

  Answer<void> begin_part() {
    const std::string* number = find_parameter(query_, "partNumber");
    const std::string* id = find_parameter(query_, "uploadId");
    const char* const last = number ? number->data() + number->size() : nullptr;
    if (number != nullptr) {
      const auto [stop, error] = std::from_chars(number->data(), last, part_number_);
      if (error != std::errc() || stop != last) part_number_ = 0;
    }
    if (id == nullptr || part_number_ < 1 || part_number_ > S3Store::kPartNumberMax) {
      return refuse(400, "InvalidArgument",
                    fmt::format("Part number must be an integer between 1 and {}, inclusive",
                                S3Store::kPartNumberMax));
    }
    upload_id_ = *id;
    NOROSHI_ASSIGN(const UploadInfo upload,
                   context_.store.find_upload(address_.bucket, address_.key, upload_id_));
    if (const auto algorithm = checksum_algorithm(upload.checksum_algorithm)) {
      checks_->also_compute(*algorithm);
    }
    return {};
  }

  Answer<void> store(std::string_view data) {
    checks_->update(data);
    bytes_ += data.size();
    if (!to_file_) {
      if (bytes_ > kS3CommandBytesMax) return too_large(bytes_, kS3CommandBytesMax);
      body_.append(data);
      return {};
    }
    if (bytes_ > *expected_bytes_) {
      return refuse(400, "IncompleteBody",
                    "The request body is longer than its stated decoded length");
    }
    if (const Status status = write_all(file_->fd(), data); !status) {
      return internal_error(status.error().message);
    }
    return {};
  }

  Answer<ServerResponse> run() {
    static const Parameters kNoTrailers;
    if (decoder_) NOROSHI_TRY(decoder_->finish());
    if (to_file_ && bytes_ != *expected_bytes_) {
      return refuse(400, "IncompleteBody",
                    "You did not provide the number of bytes specified by the Content-Length HTTP "
                    "header");
    }
    NOROSHI_TRY(checks_->finish(decoder_ ? decoder_->trailers() : kNoTrailers));
    if (!to_file_) {
      return run_s3_command({context_, head_, query_, address_, body_, checks_->stated()});
    }
    return address_.operation == "UploadPart" ? put_part() : put_object();
  }

  Answer<ServerResponse> put_object() {
    ObjectInfo info;
    info.key = address_.key;
    info.bytes = bytes_;
    info.etag = checks_->md5_hex();
    info.headers = std::move(headers_);
    info.checksums = checks_->checksums();
    if (!info.checksums.empty()) info.checksum_type = "FULL_OBJECT";
    NOROSHI_ASSIGN(
        const ObjectPointer object,
        context_.store.put_object(address_.bucket, std::move(info), *std::move(file_), condition_));
    ServerResponse response{.headers = {{"ETag", fmt::format("\"{}\"", object->etag)}}};
    append_checksum_headers(response, object->checksums, object->checksum_type);
    append_encryption_headers(response, object->headers);
    return response;
  }

  Answer<ServerResponse> put_part() {
    PartInfo part{.number = part_number_,
                  .bytes = bytes_,
                  .etag = checks_->md5_hex(),
                  .checksums = checks_->checksums()};
    ServerResponse response{.headers = {{"ETag", fmt::format("\"{}\"", part.etag)}}};
    append_checksum_headers(response, part.checksums, "");
    NOROSHI_TRY(context_.store.put_part(address_.bucket, address_.key, upload_id_, std::move(part),
                                        *std::move(file_)));
    return response;
  }

  const S3Context& context_;
  const ServerRequest head_;
  const Parameters query_;
  const S3Address address_;
  const std::string request_id_;
  const bool to_file_;
  std::optional<AwsError> error_;
  std::optional<AwsChunkedDecoder> decoder_;
  std::optional<BodyChecks> checks_;
  uint64_t bytes_ = 0;    // decoded
  uint64_t dropped_ = 0;  // read after the error
  std::string body_;      // of a command
  // PutObject and UploadPart:
  std::optional<uint64_t> expected_bytes_;
  std::optional<PendingFile> file_;
  Parameters headers_;
  WriteCondition condition_;
  int part_number_ = 0;
  std::string upload_id_;
};

}  // namespace

std::unique_ptr<HttpExchange> open_s3_exchange(const S3Context& context, ServerRequest head,
                                               Parameters query, S3Address address,
                                               std::string request_id) {
  return std::make_unique<S3Exchange>(context, std::move(head), std::move(query),
                                      std::move(address), std::move(request_id));
}

ServerResponse s3_error(const AwsError& error, const ServerRequest& head,
                        std::string_view request_id) {
  ServerResponse response{.status = error.status};
  response.headers = {{"Content-Type", "application/xml"},
                      {"x-amz-request-id", std::string(request_id)},
                      {"x-amz-id-2", base64(hash(HashAlgorithm::Sha256, request_id))}};
  for (const auto& [name, value] : error.details) {
    if (name == "Region") response.headers.push_back({"x-amz-bucket-region", value});
    if (name == "ActualObjectSize") {
      response.headers.push_back({"Content-Range", "bytes */" + value});
    }
  }
  if (head.method == "HEAD" || error.status == 304) return response;
  std::string body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>";
  append_element(body, "Code", error.code);
  append_element(body, "Message", error.message);
  for (const auto& [name, value] : error.details) append_element(body, name, value);
  append_element(body, "Resource", head.path());
  append_element(body, "RequestId", request_id);
  append_element(body, "HostId", base64(hash(HashAlgorithm::Sha256, request_id)));
  body += "</Error>";
  response.body = std::move(body);
  return response;
}

}  // namespace noroshi::localaws
