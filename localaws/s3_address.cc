#include "localaws/s3_address.h"

#include <simdjson.h>

#include <algorithm>
#include <array>

namespace noroshi::localaws {
namespace {

constexpr size_t kKeyBytesMax = 1024;

// Sub-resources of the API that this server does not have: refused by name, never mistaken for the
// plain operation (a PUT ?tagging must not overwrite the object).
constexpr auto kOtherSubresources = std::to_array<std::string_view>({"acl",
                                                                     "tagging",
                                                                     "versioning",
                                                                     "versions",
                                                                     "policy",
                                                                     "policyStatus",
                                                                     "cors",
                                                                     "lifecycle",
                                                                     "encryption",
                                                                     "logging",
                                                                     "notification",
                                                                     "replication",
                                                                     "website",
                                                                     "retention",
                                                                     "legal-hold",
                                                                     "torrent",
                                                                     "attributes",
                                                                     "restore",
                                                                     "select",
                                                                     "accelerate",
                                                                     "analytics",
                                                                     "inventory",
                                                                     "metrics",
                                                                     "object-lock",
                                                                     "ownershipControls",
                                                                     "requestPayment",
                                                                     "session",
                                                                     "metadataTable",
                                                                     "publicAccessBlock",
                                                                     "intelligent-tiering",
                                                                     "renameObject"});

bool has(const Parameters& query, std::string_view name) {
  return find_parameter(query, name) != nullptr;
}

std::string_view bucket_of_host(std::string_view host,
                                const std::function<bool(std::string_view)>& bucket_exists) {
  if (host.starts_with('[')) return {};  // an IPv6 address
  host = host.substr(0, host.find(':'));
  for (const std::string_view mark : {".s3.", ".s3-"}) {
    const size_t at = host.find(mark);
    if (at != std::string_view::npos) return host.substr(0, at);
  }
  static constexpr std::string_view kLocalhost = ".localhost";
  if (host.ends_with(kLocalhost)) {
    const std::string_view name = host.substr(0, host.size() - kLocalhost.size());
    return name == "s3" ? std::string_view{} : name;
  }
  for (size_t dot = host.rfind('.'); dot != std::string_view::npos && dot > 0;
       dot = host.rfind('.', dot - 1)) {
    if (bucket_exists(host.substr(0, dot))) return host.substr(0, dot);
  }
  return {};
}

std::string_view service_operation(std::string_view method) {
  return method == "GET" ? "ListBuckets" : "";
}

std::string_view bucket_operation(std::string_view method, const Parameters& query) {
  if (method == "PUT") return "CreateBucket";
  if (method == "DELETE") return "DeleteBucket";
  if (method == "HEAD") return "HeadBucket";
  if (method == "POST") return has(query, "delete") ? "DeleteObjects" : "";
  if (method != "GET") return "";
  if (has(query, "location")) return "GetBucketLocation";
  if (has(query, "uploads")) return "ListMultipartUploads";
  const std::string* type = find_parameter(query, "list-type");
  return type != nullptr && *type == "2" ? "ListObjectsV2" : "ListObjects";
}

std::string_view object_operation(const ServerRequest& head, const Parameters& query) {
  const std::string& method = head.method;
  const bool upload = has(query, "uploadId");
  if (method == "PUT") {
    if (head.find_header("x-amz-copy-source") != nullptr) return "NotImplemented";
    return upload || has(query, "partNumber") ? "UploadPart" : "PutObject";
  }
  if (method == "GET") return upload ? "ListParts" : "GetObject";
  if (method == "HEAD") return "HeadObject";
  if (method == "DELETE") return upload ? "AbortMultipartUpload" : "DeleteObject";
  if (method != "POST") return "";
  if (has(query, "uploads")) return "CreateMultipartUpload";
  return upload ? "CompleteMultipartUpload" : "";
}

}  // namespace

Answer<S3Address> s3_address(const ServerRequest& head, const Parameters& query,
                             const std::function<bool(std::string_view)>& bucket_exists) {
  S3Address address;
  std::string_view path = head.path();
  if (!path.starts_with('/')) {
    return refuse(400, "InvalidURI", "Couldn't parse the specified URI.");
  }
  path.remove_prefix(1);
  address.bucket = std::string(bucket_of_host(head.header("host"), bucket_exists));
  if (address.bucket.empty()) {
    const size_t slash = path.find('/');
    const auto bucket = percent_decode(path.substr(0, slash), false);
    if (!bucket) return refuse(400, "InvalidURI", "Couldn't parse the specified URI.");
    address.bucket = *bucket;
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  }
  auto key = percent_decode(path, false);
  if (!key || !simdjson::validate_utf8(key->data(), key->size())) {
    return refuse(400, "InvalidURI", "Couldn't parse the specified URI.");
  }
  if (key->size() > kKeyBytesMax) {
    return refuse(400, "KeyTooLongError", "Your key is too long");
  }
  address.key = *std::move(key);

  const bool other = std::ranges::any_of(query, [](const auto& pair) {
    return std::ranges::count(kOtherSubresources, pair.first) > 0;
  });
  if (other) {
    address.operation = "NotImplemented";
  } else if (address.bucket.empty()) {
    address.operation = std::string(service_operation(head.method));
  } else if (address.key.empty()) {
    address.operation = std::string(bucket_operation(head.method, query));
  } else {
    address.operation = std::string(object_operation(head, query));
  }
  if (address.operation.empty()) {
    return refuse(405, "MethodNotAllowed",
                  "The specified method is not allowed against this resource.");
  }
  return address;
}

}  // namespace noroshi::localaws
