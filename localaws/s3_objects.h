// What S3Store knows of objects, parts and uploads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "localaws/uri.h"

namespace noroshi::localaws {

struct ObjectInfo {
  std::string key = {};
  uint64_t bytes = 0;
  std::string etag = {};  // without the quotes
  Timestamp modified = {};
  Parameters headers = {};         // returned on Get and Head: Content-Type, x-amz-meta-*, …
  Parameters checksums = {};       // "CRC32" → base64
  std::string checksum_type = {};  // FULL_OBJECT or COMPOSITE; empty without checksums
  std::string file = {};           // of the bytes, in objects/
};
using ObjectPointer = std::shared_ptr<const ObjectInfo>;

struct PartInfo {
  int number = 0;
  uint64_t bytes = 0;
  std::string etag = {};
  Timestamp modified = {};
  Parameters checksums = {};
  std::string file = {};
};

struct UploadInfo {
  std::string id = {};
  std::string key = {};
  Timestamp initiated = {};
  Parameters headers = {};
  std::string checksum_algorithm = {};  // "CRC32"; empty: none
  std::string checksum_type = {};
};

struct CompletedPart {
  int number = 0;
  std::string etag = {};
  Parameters checksums = {};
};

struct WriteCondition {
  bool must_not_exist = false;      // If-None-Match: *
  std::optional<std::string> etag;  // If-Match
};

struct ObjectPage {
  std::vector<ObjectPointer> objects;
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string last;  // where the next page goes on: the last key or common prefix seen
};

}  // namespace noroshi::localaws
