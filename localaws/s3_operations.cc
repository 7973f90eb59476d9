#include "localaws/s3_operations.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "localaws/checksums.h"
#include "localaws/hashes.h"
#include "localaws/time_text.h"
#include "localaws/xml.h"

namespace noroshi::localaws {
namespace {

constexpr int64_t kPageMax = 1000;
constexpr size_t kDeleteKeysMax = 1000;
constexpr size_t kMetadataBytesMax = 2048;
constexpr std::string_view kXmlns = "http://s3.amazonaws.com/doc/2006-03-01/";

std::string document(std::string_view root, std::string_view content) {
  return fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{} xmlns=\"{}\">{}</{}>", root,
                     kXmlns, content, root);
}

std::string in_quotes(std::string_view etag) { return fmt::format("\"{}\"", etag); }

std::unexpected<AwsError> malformed_xml() {
  return refuse(400, "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our "
                "published schema");
}

std::string lower_text(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

std::optional<int64_t> parse_number(std::string_view text) {
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size() || value < 0) {
    return std::nullopt;
  }
  return value;
}

std::string text_parameter(const S3Command& command, std::string_view name) {
  const std::string* value = find_parameter(command.query, name);
  return value ? *value : std::string();
}

// A page size: absent means 1000, more is cut to 1000.
Answer<int64_t> page_size(const S3Command& command, std::string_view name) {
  const std::string* text = find_parameter(command.query, name);
  if (text == nullptr) return kPageMax;
  const auto value = parse_number(*text);
  if (!value) {
    return refuse(400, "InvalidArgument",
                  fmt::format("Provided {} not an integer or within integer range", name));
  }
  return std::min(*value, kPageMax);
}

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
  return xml_response(
      document("LocationConstraint", region == "us-east-1" ? "" : escape_xml(region)));
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
  return xml_response(document("ListAllMyBucketsResult", content));
}

// --- listings

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
  return xml_response(document("ListBucketResult", content));
}

Answer<ServerResponse> list_uploads(const S3Command& command) {
  NOROSHI_ASSIGN(const std::vector<UploadInfo> all,
                 command.context.store.uploads(command.address.bucket));
  const std::string prefix = text_parameter(command, "prefix");
  const std::string key_marker = text_parameter(command, "key-marker");
  const std::string id_marker = text_parameter(command, "upload-id-marker");
  NOROSHI_ASSIGN(const int64_t limit, page_size(command, "max-uploads"));
  std::string content;
  std::string uploads;
  const UploadInfo* last = nullptr;
  bool truncated = false;
  int64_t count = 0;
  bool marker_passed = id_marker.empty();
  for (const UploadInfo& upload : all) {
    if (!upload.key.starts_with(prefix) || upload.key < key_marker) continue;
    if (upload.key == key_marker) {
      // With an id marker, the rest of that key's uploads is still to come.
      if (id_marker.empty()) continue;
      const bool passed = marker_passed;
      marker_passed = marker_passed || upload.id == id_marker;
      if (!passed) continue;
    }
    if (count == limit) {
      truncated = true;
      break;
    }
    ++count;
    last = &upload;
    uploads += "<Upload>";
    append_element(uploads, "Key", upload.key);
    append_element(uploads, "UploadId", upload.id);
    append_element(uploads, "StorageClass", "STANDARD");
    append_element(uploads, "Initiated", iso_time_millis(upload.initiated));
    uploads += "</Upload>";
  }
  append_element(content, "Bucket", command.address.bucket);
  append_element(content, "KeyMarker", key_marker);
  append_element(content, "UploadIdMarker", id_marker);
  append_element(content, "Prefix", prefix);
  if (truncated && last != nullptr) {
    append_element(content, "NextKeyMarker", last->key);
    append_element(content, "NextUploadIdMarker", last->id);
  }
  append_element(content, "MaxUploads", std::to_string(limit));
  append_element(content, "IsTruncated", truncated ? "true" : "false");
  return xml_response(document("ListMultipartUploadsResult", content + uploads));
}

// --- objects

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
    const std::string* instead = find_parameter(command.query, "response-" + lower_text(name));
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
  } else if (lower_text(command.head.header("x-amz-checksum-mode")) == "enabled") {
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
  return xml_response(document("DeleteResult", content));
}

// --- multipart uploads

Answer<ServerResponse> create_upload(const S3Command& command) {
  UploadInfo upload;
  upload.key = command.address.key;
  NOROSHI_ASSIGN(upload.headers, object_headers(command.head));
  const std::string_view algorithm = command.head.header("x-amz-checksum-algorithm");
  const std::string_view type = command.head.header("x-amz-checksum-type");
  if (!algorithm.empty()) {
    const auto known = checksum_algorithm(algorithm);
    if (!known) {
      return refuse(400, "InvalidRequest",
                    fmt::format("Checksum algorithm provided is unsupported: {}", algorithm));
    }
    upload.checksum_algorithm = std::string(checksum_name(*known));
    const bool crc64 = *known == HashAlgorithm::Crc64Nvme;
    const bool crc = crc64 || *known == HashAlgorithm::Crc32 || *known == HashAlgorithm::Crc32c;
    upload.checksum_type = !type.empty() ? std::string(type) : crc64 ? "FULL_OBJECT" : "COMPOSITE";
    const bool full = upload.checksum_type == "FULL_OBJECT";
    if ((full && !crc) || (!full && crc64) || (!full && upload.checksum_type != "COMPOSITE")) {
      return refuse(400, "InvalidRequest",
                    fmt::format("The {} checksum type cannot be used with the {} checksum "
                                "algorithm.",
                                upload.checksum_type, upload.checksum_algorithm));
    }
  }
  NOROSHI_ASSIGN(const UploadInfo created,
                 command.context.store.create_upload(command.address.bucket, std::move(upload)));
  std::string content;
  append_element(content, "Bucket", command.address.bucket);
  append_element(content, "Key", command.address.key);
  append_element(content, "UploadId", created.id);
  ServerResponse response = xml_response(document("InitiateMultipartUploadResult", content));
  if (!created.checksum_algorithm.empty()) {
    response.headers.push_back({"x-amz-checksum-algorithm", created.checksum_algorithm});
    response.headers.push_back({"x-amz-checksum-type", created.checksum_type});
  }
  append_encryption_headers(response, created.headers);
  return response;
}

Answer<ServerResponse> complete_upload(const S3Command& command) {
  const auto xml = parse_xml(command.body);
  if (!xml || xml->name != "CompleteMultipartUpload") return malformed_xml();
  std::vector<CompletedPart> parts;
  for (const XmlElement& element : xml->children) {
    if (element.name != "Part") continue;
    const auto number = parse_number(element.child_text("PartNumber"));
    if (!number || *number < 1 || *number > S3Store::kPartNumberMax) return malformed_xml();
    CompletedPart part{.number = static_cast<int>(*number),
                       .etag = std::string(element.child_text("ETag"))};
    for (const XmlElement& child : element.children) {
      static constexpr std::string_view kChecksum = "Checksum";
      if (child.name.starts_with(kChecksum)) {
        part.checksums.emplace_back(child.name.substr(kChecksum.size()), child.text);
      }
    }
    parts.push_back(std::move(part));
  }
  if (parts.empty()) return malformed_xml();
  std::optional<uint64_t> stated_bytes;
  if (const std::string* text = command.head.find_header("x-amz-mp-object-size")) {
    const auto value = parse_number(*text);
    if (!value) return refuse(400, "InvalidRequest", "x-amz-mp-object-size is not a number");
    stated_bytes = static_cast<uint64_t>(*value);
  }
  Parameters checksums;
  for (const std::string_view name :
       {"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5"}) {
    if (const std::string* value =
            command.head.find_header(fmt::format("x-amz-checksum-{}", lower_text(name)))) {
      checksums.emplace_back(name, *value);
    }
  }
  NOROSHI_ASSIGN(const WriteCondition condition, write_condition(command.head));
  NOROSHI_ASSIGN(const ObjectPointer object,
                 command.context.store.complete_upload(command.address.bucket, command.address.key,
                                                       text_parameter(command, "uploadId"), parts,
                                                       checksums, stated_bytes, condition));
  std::string content;
  append_element(content, "Location",
                 fmt::format("http://{}{}", command.head.header("host"), command.head.path()));
  append_element(content, "Bucket", command.address.bucket);
  append_element(content, "Key", command.address.key);
  append_element(content, "ETag", in_quotes(object->etag));
  for (const auto& [algorithm, value] : object->checksums) {
    append_element(content, fmt::format("Checksum{}", algorithm), value);
    append_element(content, "ChecksumType", object->checksum_type);
  }
  ServerResponse response = xml_response(document("CompleteMultipartUploadResult", content));
  append_encryption_headers(response, object->headers);
  return response;
}

Answer<ServerResponse> abort_upload(const S3Command& command) {
  NOROSHI_TRY(command.context.store.abort_upload(command.address.bucket, command.address.key,
                                                 text_parameter(command, "uploadId")));
  return ServerResponse{.status = 204};
}

Answer<ServerResponse> list_parts(const S3Command& command) {
  const std::string id = text_parameter(command, "uploadId");
  NOROSHI_ASSIGN(const std::vector<PartInfo> parts,
                 command.context.store.list_parts(command.address.bucket, command.address.key, id));
  NOROSHI_ASSIGN(const int64_t limit, page_size(command, "max-parts"));
  const int64_t marker = parse_number(text_parameter(command, "part-number-marker")).value_or(0);
  std::string listed;
  int64_t count = 0;
  int64_t next = 0;
  bool truncated = false;
  for (const PartInfo& part : parts) {
    if (part.number <= marker) continue;
    if (count == limit) {
      truncated = true;
      break;
    }
    ++count;
    next = part.number;
    listed += "<Part>";
    append_element(listed, "PartNumber", std::to_string(part.number));
    append_element(listed, "LastModified", iso_time_millis(part.modified));
    append_element(listed, "ETag", in_quotes(part.etag));
    append_element(listed, "Size", std::to_string(part.bytes));
    for (const auto& [algorithm, value] : part.checksums) {
      append_element(listed, fmt::format("Checksum{}", algorithm), value);
    }
    listed += "</Part>";
  }
  std::string content;
  append_element(content, "Bucket", command.address.bucket);
  append_element(content, "Key", command.address.key);
  append_element(content, "UploadId", id);
  append_element(content, "StorageClass", "STANDARD");
  append_element(content, "PartNumberMarker", std::to_string(marker));
  if (truncated) append_element(content, "NextPartNumberMarker", std::to_string(next));
  append_element(content, "MaxParts", std::to_string(limit));
  append_element(content, "IsTruncated", truncated ? "true" : "false");
  return xml_response(document("ListPartsResult", content + listed));
}

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

Answer<ServerResponse> run_s3_command(const S3Command& command) {
  const auto found = std::ranges::find(kOperations, command.address.operation, &Operation::name);
  if (found == kOperations.end()) return internal_error("an operation without code");
  return found->run(command);
}

Answer<Parameters> object_headers(const ServerRequest& head) {
  Parameters out;
  const std::string_view type = head.header("content-type");
  out.emplace_back("Content-Type", type.empty() ? "binary/octet-stream" : std::string(type));
  size_t metadata_bytes = 0;
  for (const ServerHeader& header : head.headers) {
    const std::string name = lower_text(header.name);
    if (name == "content-encoding") {
      // aws-chunked is how the body came, not what it is.
      std::string value;
      std::string_view rest = header.value;
      while (!rest.empty()) {
        std::string_view part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(part.size() + 1, rest.size()));
        while (part.starts_with(' ')) part.remove_prefix(1);
        while (part.ends_with(' ')) part.remove_suffix(1);
        if (part.empty() || lower_text(part) == "aws-chunked") continue;
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
    response.headers.push_back({"x-amz-checksum-" + lower_text(algorithm), value});
    if (!type.empty()) response.headers.push_back({"x-amz-checksum-type", std::string(type)});
  }
}

ServerResponse xml_response(std::string body) {
  return {.headers = {{"Content-Type", "application/xml"}}, .body = std::move(body)};
}

}  // namespace noroshi::localaws
