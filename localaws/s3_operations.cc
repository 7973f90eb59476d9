#include "localaws/s3_operations.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/values.h"
#include "localaws/hashes.h"
#include "localaws/s3_headers.h"
#include "localaws/s3_multipart.h"
#include "localaws/time_text.h"
#include "localaws/xml.h"

namespace noroshi::localaws {
namespace {

constexpr size_t kDeleteKeysMax = 1000;

// --- buckets

Answer<ServerResponse> create_bucket(const S3Command& command) {
  std::string region = command.context.policy.region;
  if (!command.body.empty()) {
    const auto xml = parse_xml(command.body);
    if (!xml || xml->name != "CreateBucketConfiguration") return malformed_xml();
    const std::string_view wanted = xml->child_text("LocationConstraint");
    if (!wanted.empty()) {
      if (!region.empty() && wanted != region) {
        return refuse(400, "IllegalLocationConstraintException",
                      fmt::format("The {} location constraint is incompatible for the region "
                                  "specific endpoint this request was sent to.",
                                  wanted));
      }
      region = std::string(wanted);
    }
  }
  if (region.empty()) region = "us-east-1";
  NOROSHI_TRY(command.context.store.create_bucket(command.address.bucket, region));
  return ServerResponse{.headers = {{"Location", "/" + command.address.bucket}}};
}

Answer<ServerResponse> delete_bucket(const S3Command& command) {
  NOROSHI_TRY(command.context.store.delete_bucket(command.address.bucket));
  return ServerResponse{.status = 204};
}

Answer<ServerResponse> head_bucket(const S3Command& command) {
  NOROSHI_ASSIGN(const std::string region,
                 command.context.store.find_bucket(command.address.bucket));
  return ServerResponse{.headers = {{"x-amz-bucket-region", region}}};
}

Answer<ServerResponse> bucket_location(const S3Command& command) {
  NOROSHI_ASSIGN(const std::string region,
                 command.context.store.find_bucket(command.address.bucket));
  return xml_response("LocationConstraint", region == "us-east-1" ? "" : escape_xml(region));
}

Answer<ServerResponse> list_buckets(const S3Command& command) {
  std::string content = "<Owner>";
  append_element(content, "ID", command.context.policy.issuer.account_id());
  content += "</Owner><Buckets>";
  for (const auto& [name, created] : command.context.store.buckets()) {
    content += "<Bucket>";
    append_element(content, "Name", name);
    append_element(content, "CreationDate", iso_time_millis(created));
    content += "</Bucket>";
  }
  content += "</Buckets>";
  return xml_response("ListAllMyBucketsResult", content);
}

// --- objects

Answer<ServerResponse> list_objects(const S3Command& command) {
  const bool version_2 = command.address.operation == "ListObjectsV2";
  const std::string prefix = text_parameter(command, "prefix");
  const std::string delimiter = text_parameter(command, "delimiter");
  const std::string encoding = text_parameter(command, "encoding-type");
  if (!encoding.empty() && encoding != "url") {
    return refuse(400, "InvalidArgument", "Invalid Encoding Method specified in Request");
  }
  const auto encode = [&](std::string_view text) {
    return encoding.empty() ? std::string(text) : percent_encode(text, true);
  };
  NOROSHI_ASSIGN(const int64_t limit, page_size(command, "max-keys"));
  std::string after = text_parameter(command, version_2 ? "start-after" : "marker");
  const std::string* token =
      version_2 ? find_parameter(command.query, "continuation-token") : nullptr;
  if (token != nullptr) {
    const auto decoded = base64_decode(*token);
    if (!decoded)
      return refuse(400, "InvalidArgument", "The continuation token provided is incorrect");
    after = *decoded;
  }
  NOROSHI_ASSIGN(const ObjectPage page,
                 command.context.store.list_objects(command.address.bucket, prefix, delimiter,
                                                    after, static_cast<size_t>(limit)));
  std::string content;
  append_element(content, "Name", command.address.bucket);
  append_element(content, "Prefix", encode(prefix));
  if (!delimiter.empty()) append_element(content, "Delimiter", encode(delimiter));
  append_element(content, "MaxKeys", std::to_string(limit));
  if (!encoding.empty()) append_element(content, "EncodingType", encoding);
  // With max-keys=0 S3 says "not truncated", whatever there is.
  const bool truncated = page.truncated && limit > 0;
  append_element(content, "IsTruncated", truncated ? "true" : "false");
  if (version_2) {
    append_element(content, "KeyCount",
                   std::to_string(page.objects.size() + page.common_prefixes.size()));
    if (token != nullptr) append_element(content, "ContinuationToken", *token);
    if (truncated) append_element(content, "NextContinuationToken", base64(page.last));
    if (const std::string* start = find_parameter(command.query, "start-after")) {
      append_element(content, "StartAfter", encode(*start));
    }
  } else {
    append_element(content, "Marker", encode(after));
    if (truncated && !delimiter.empty()) append_element(content, "NextMarker", encode(page.last));
  }
  for (const ObjectPointer& object : page.objects) {
    content += "<Contents>";
    append_element(content, "Key", encode(object->key));
    append_element(content, "LastModified", iso_time_millis(object->modified));
    append_element(content, "ETag", in_quotes(object->etag));
    for (const auto& [algorithm, value] : object->checksums) {
      append_element(content, "ChecksumAlgorithm", algorithm);
      append_element(content, "ChecksumType", object->checksum_type);
    }
    append_element(content, "Size", std::to_string(object->bytes));
    const std::string* storage = find_parameter(object->headers, "x-amz-storage-class");
    append_element(content, "StorageClass", storage ? *storage : "STANDARD");
    content += "</Contents>";
  }
  for (const std::string& common : page.common_prefixes) {
    content += "<CommonPrefixes>";
    append_element(content, "Prefix", encode(common));
    content += "</CommonPrefixes>";
  }
  return xml_response("ListBucketResult", content);
}

struct ByteRange {
  uint64_t first = 0, last = 0;
};

// "bytes=0-9", "bytes=5-", "bytes=-3". nullopt: not a range we follow, so the whole object is sent
// (RFC 9110).
Answer<std::optional<ByteRange>> parse_range(std::string_view text, uint64_t size) {
  static constexpr std::string_view kUnit = "bytes=";
  if (!text.starts_with(kUnit) || text.find(',') != std::string_view::npos) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = parse_number(text.substr(0, dash));
  const auto last = parse_number(text.substr(dash + 1));
  if ((!first && dash > 0) || (!last && dash + 1 < text.size()) || (!first && !last)) {
    return std::nullopt;
  }
  ByteRange range;
  if (!first) {
    range.first = size - std::min<uint64_t>(size, static_cast<uint64_t>(*last));
    range.last = size - 1;
  } else {
    range.first = static_cast<uint64_t>(*first);
    range.last = last ? std::min<uint64_t>(static_cast<uint64_t>(*last), size - 1) : size - 1;
    if (last && *last < *first) return std::nullopt;
  }
  if (range.first >= size || (!first && *last == 0)) {
    return std::unexpected(AwsError{416,
                                    "InvalidRange",
                                    "The requested range is not satisfiable",
                                    {{"ActualObjectSize", std::to_string(size)}}});
  }
  return range;
}

bool etag_listed(std::string_view list, std::string_view etag) {
  return list == "*" || list.find(in_quotes(etag)) != std::string_view::npos || list == etag;
}

Answer<void> check_read_condition(const S3Command& command, const ObjectInfo& object) {
  const auto failed = [] {
    return refuse(412, "PreconditionFailed",
                  "At least one of the pre-conditions you specified did not hold");
  };
  const Timestamp modified = std::chrono::floor<Seconds>(object.modified);
  if (const std::string* match = command.head.find_header("if-match")) {
    if (!etag_listed(*match, object.etag)) return failed();
  } else if (const std::string* text = command.head.find_header("if-unmodified-since")) {
    const auto since = parse_http_time(*text);
    if (since && modified > *since) return failed();
  }
  if (const std::string* match = command.head.find_header("if-none-match")) {
    if (etag_listed(*match, object.etag)) return refuse(304, "NotModified", "Not Modified");
  } else if (const std::string* text = command.head.find_header("if-modified-since")) {
    const auto since = parse_http_time(*text);
    if (since && modified <= *since) return refuse(304, "NotModified", "Not Modified");
  }
  return {};
}

Answer<ServerResponse> get_object(const S3Command& command) {
  NOROSHI_ASSIGN(S3Store::OpenObject open,
                 command.context.store.open_object(command.address.bucket, command.address.key));
  const ObjectInfo& object = *open.info;
  NOROSHI_TRY(check_read_condition(command, object));
  ServerResponse response;
  response.headers = {{"Last-Modified", http_time(object.modified)},
                      {"ETag", in_quotes(object.etag)},
                      {"Accept-Ranges", "bytes"}};
  for (const auto& [name, value] : object.headers) {
    if (name == "x-amz-tagging") continue;
    // response-content-type and its kind replace the stored value.
    const std::string* instead = find_parameter(command.query, "response-" + to_lower(name));
    response.headers.push_back({name, instead ? *instead : value});
  }
  uint64_t first = 0;
  uint64_t bytes = object.bytes;
  const std::string* range_text = command.head.find_header("range");
  std::optional<ByteRange> range;
  if (range_text != nullptr) {
    NOROSHI_ASSIGN(range, parse_range(*range_text, object.bytes));
  }
  if (range) {
    first = range->first;
    bytes = range->last - range->first + 1;
    response.status = 206;
    response.headers.push_back(
        {"Content-Range", fmt::format("bytes {}-{}/{}", range->first, range->last, object.bytes)});
  } else if (to_lower(command.head.header("x-amz-checksum-mode")) == "enabled") {
    append_checksum_headers(response, object.checksums, object.checksum_type);
  }
  response.file = FilePart{std::move(open.file), first, bytes};
  return response;
}

Answer<ServerResponse> delete_object(const S3Command& command) {
  NOROSHI_TRY(command.context.store.find_bucket(command.address.bucket));
  NOROSHI_TRY(command.context.store.delete_object(command.address.bucket, command.address.key));
  return ServerResponse{.status = 204};
}

Answer<ServerResponse> delete_objects(const S3Command& command) {
  NOROSHI_TRY(command.context.store.find_bucket(command.address.bucket));
  if (!command.body_checked) {
    return refuse(400, "InvalidRequest",
                  "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  }
  const auto xml = parse_xml(command.body);
  if (!xml || xml->name != "Delete") return malformed_xml();
  const bool quiet = xml->child_text("Quiet") == "true";
  std::vector<std::string> keys;
  for (const XmlElement& element : xml->children) {
    if (element.name != "Object") continue;
    if (element.child_text("Key").empty()) return malformed_xml();
    keys.emplace_back(element.child_text("Key"));
  }
  if (keys.empty() || keys.size() > kDeleteKeysMax) return malformed_xml();
  std::string content;
  for (const std::string& key : keys) {
    NOROSHI_TRY(command.context.store.delete_object(command.address.bucket, key));
    if (quiet) continue;
    content += "<Deleted>";
    append_element(content, "Key", key);
    content += "</Deleted>";
  }
  return xml_response("DeleteResult", content);
}

// --- all of them

struct Operation {
  std::string_view name;
  Answer<ServerResponse> (*run)(const S3Command&);
};
constexpr auto kOperations = std::to_array<Operation>({
    {"CreateBucket", create_bucket},
    {"DeleteBucket", delete_bucket},
    {"HeadBucket", head_bucket},
    {"GetBucketLocation", bucket_location},
    {"ListBuckets", list_buckets},
    {"ListObjects", list_objects},
    {"ListObjectsV2", list_objects},
    {"ListMultipartUploads", list_uploads},
    {"GetObject", get_object},
    {"HeadObject", get_object},
    {"DeleteObject", delete_object},
    {"DeleteObjects", delete_objects},
    {"CreateMultipartUpload", create_upload},
    {"CompleteMultipartUpload", complete_upload},
    {"AbortMultipartUpload", abort_upload},
    {"ListParts", list_parts},
});

}  // namespace

Answer<ServerResponse> run_s3_command(const S3Command& command) {
  const auto found = std::ranges::find(kOperations, command.address.operation, &Operation::name);
  if (found == kOperations.end()) return internal_error("an operation without code");
  return found->run(command);
}

}  // namespace noroshi::localaws
