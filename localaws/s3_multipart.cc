#include "localaws/s3_multipart.h"

#include <fmt/format.h>

#include "config/values.h"
#include "localaws/checksums.h"
#include "localaws/hashes.h"
#include "localaws/s3_headers.h"
#include "localaws/time_text.h"
#include "localaws/xml.h"

namespace noroshi::localaws {

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
  ServerResponse response = xml_response("InitiateMultipartUploadResult", content);
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
            command.head.find_header(fmt::format("x-amz-checksum-{}", to_lower(name)))) {
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
  ServerResponse response = xml_response("CompleteMultipartUploadResult", content);
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
  return xml_response("ListPartsResult", content + listed);
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
  return xml_response("ListMultipartUploadsResult", content + uploads);
}

}  // namespace noroshi::localaws
