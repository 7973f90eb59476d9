// The .meta and .json files beside objects and parts: S3 store's records as JSON.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "localaws/s3_objects.h"

namespace noroshi::localaws {

[[nodiscard]] std::string to_json(const ObjectInfo& info);
[[nodiscard]] std::string to_json(const PartInfo& part);
[[nodiscard]] std::string to_json(const UploadInfo& upload);
[[nodiscard]] std::string bucket_json(std::string_view name, std::string_view region,
                                      Timestamp created);

// Errors: Corrupt.
[[nodiscard]] Result<ObjectInfo> object_from_json(const std::string& text);
[[nodiscard]] Result<PartInfo> part_from_json(const std::string& text);
[[nodiscard]] Result<UploadInfo> upload_from_json(const std::string& text);
struct BucketDescription {
  std::string name, region;
  Timestamp created;
};
[[nodiscard]] Result<BucketDescription> bucket_from_json(const std::string& text);

}  // namespace noroshi::localaws
