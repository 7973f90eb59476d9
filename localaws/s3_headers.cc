#include "localaws/s3_headers.h"

#include <algorithm>
#include <array>

#include "config/values.h"

namespace noroshi::localaws {
namespace {

constexpr size_t kMetadataBytesMax = 2048;

constexpr auto kKeptHeaders = std::to_array<std::string_view>(
    {"cache-control", "content-disposition", "content-language", "expires",
     "x-amz-website-redirect-location", "x-amz-storage-class", "x-amz-tagging",
     "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id",
     "x-amz-server-side-encryption-bucket-key-enabled"});
constexpr auto kStorageClasses = std::to_array<std::string_view>(
    {"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING",
     "GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "GLACIER_IR", "SNOW", "EXPRESS_ONEZONE"});
constexpr auto kCannedAcls = std::to_array<std::string_view>(
    {"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read",
     "bucket-owner-read", "bucket-owner-full-control"});
constexpr auto kEncryptions =
    std::to_array<std::string_view>({"AES256", "aws:kms", "aws:kms:dsse"});

template <typename List>
bool listed(const List& list, std::string_view value) {
  return std::ranges::find(list, value) != list.end();
}

}  // namespace

Answer<Parameters> object_headers(const ServerRequest& head) {
  Parameters out;
  const std::string_view type = head.header("content-type");
  out.emplace_back("Content-Type", type.empty() ? "binary/octet-stream" : std::string(type));
  size_t metadata_bytes = 0;
  for (const ServerHeader& header : head.headers) {
    const std::string name = to_lower(header.name);
    if (name == "content-encoding") {
      // aws-chunked is how the body came, not what it is.
      std::string value;
      std::string_view rest = header.value;
      while (!rest.empty()) {
        std::string_view part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(part.size() + 1, rest.size()));
        while (part.starts_with(' ')) part.remove_prefix(1);
        while (part.ends_with(' ')) part.remove_suffix(1);
        if (part.empty() || to_lower(part) == "aws-chunked") continue;
        value += (value.empty() ? "" : ",") + std::string(part);
      }
      if (!value.empty()) out.emplace_back("Content-Encoding", value);
    } else if (name.starts_with("x-amz-meta-")) {
      metadata_bytes += name.size() - std::string_view("x-amz-meta-").size() + header.value.size();
      out.emplace_back(name, header.value);
    } else if (name.starts_with("x-amz-object-lock-")) {
      return refuse(400, "InvalidRequest", "Bucket is missing Object Lock Configuration");
    } else if (listed(kKeptHeaders, name)) {
      out.emplace_back(name, header.value);
    }
  }
  if (metadata_bytes > kMetadataBytesMax) {
    return refuse(400, "MetadataTooLarge",
                  "Your metadata headers exceed the maximum allowed metadata size");
  }
  const std::string* storage = find_parameter(out, "x-amz-storage-class");
  if (storage && !listed(kStorageClasses, *storage)) {
    return refuse(400, "InvalidStorageClass", "The storage class you specified is not valid");
  }
  const std::string_view acl = head.header("x-amz-acl");
  if (!acl.empty() && !listed(kCannedAcls, acl)) {
    return refuse(400, "InvalidArgument", "The canned ACL you specified is not valid");
  }
  const std::string* encryption = find_parameter(out, "x-amz-server-side-encryption");
  if (encryption && !listed(kEncryptions, *encryption)) {
    return refuse(400, "InvalidArgument", "The encryption method specified is not supported");
  }
  if (const std::string* tagging = find_parameter(out, "x-amz-tagging")) {
    const auto tags = parse_query(*tagging);
    if (!tags || tags->size() > 10) {
      return refuse(400, "InvalidTag",
                    "The header 'x-amz-tagging' shall be encoded as URL query parameters, of at "
                    "most 10 tags");
    }
    if (!tags->empty()) out.emplace_back("x-amz-tagging-count", std::to_string(tags->size()));
  }
  return out;
}

Answer<WriteCondition> write_condition(const ServerRequest& head) {
  WriteCondition condition;
  if (const std::string* value = head.find_header("if-none-match")) {
    if (*value != "*") {
      return refuse(501, "NotImplemented",
                    "A header you provided implies functionality that is not implemented");
    }
    condition.must_not_exist = true;
  }
  if (const std::string* value = head.find_header("if-match")) condition.etag = *value;
  return condition;
}

void append_encryption_headers(ServerResponse& response, const Parameters& headers) {
  for (const auto& [name, value] : headers) {
    if (name.starts_with("x-amz-server-side-encryption")) response.headers.push_back({name, value});
  }
}

void append_checksum_headers(ServerResponse& response, const Parameters& checksums,
                             std::string_view type) {
  for (const auto& [algorithm, value] : checksums) {
    response.headers.push_back({"x-amz-checksum-" + to_lower(algorithm), value});
    if (!type.empty()) response.headers.push_back({"x-amz-checksum-type", std::string(type)});
  }
}

}  // namespace noroshi::localaws
