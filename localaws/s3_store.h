// Buckets, objects and multipart uploads as files, with an index of the keys in memory.
//
//   DIR/s3/<bucket>/bucket.json
//   DIR/s3/<bucket>/objects/<key>.meta          JSON; names the data file. Renamed into place: the
//   commit DIR/s3/<bucket>/objects/<key>@<generation>  the bytes
//   DIR/s3/<bucket>/uploads/<id>/upload.json, part-N.meta, part-N@<generation>
//   DIR/tmp/                                    bodies being received; emptied at start
//
// Memory: about 400 bytes a key and part, never their bytes. Survives the end of the process at any
// point (an object is there with all its bytes or not at all), not a loss of power: nothing is
// synced.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "localaws/aws_error.h"
#include "localaws/data_directory.h"
#include "localaws/s3_objects.h"
#include "localaws/uri.h"

namespace noroshi::localaws {

// Thread-safe. Errors carry S3's status and code.
class S3Store {
 public:
  static constexpr uint64_t kPartBytesMin = 5 << 20;
  static constexpr int kPartNumberMax = 10'000;
  static constexpr uint64_t kObjectBytesMax = uint64_t{5} << 30;

  // Reads the index. Errors: Io, Denied, Corrupt (with the file's name).
  [[nodiscard]] static Result<std::unique_ptr<S3Store>> open(const std::string& directory,
                                                             const Clock& clock);

  [[nodiscard]] Answer<void> create_bucket(std::string_view bucket, std::string_view region);
  [[nodiscard]] Answer<void> delete_bucket(std::string_view bucket);
  // The bucket's region.
  [[nodiscard]] Answer<std::string> find_bucket(std::string_view bucket) const;
  [[nodiscard]] bool has_bucket(std::string_view bucket) const {
    return find_bucket(bucket).has_value();
  }
  [[nodiscard]] std::vector<std::pair<std::string, Timestamp>> buckets() const;

  [[nodiscard]] Result<PendingFile> new_file() const { return PendingFile::create(temporary_); }
  // `info` without modified and file.
  [[nodiscard]] Answer<ObjectPointer> put_object(std::string_view bucket, ObjectInfo info,
                                                 PendingFile data, const WriteCondition& condition);
  [[nodiscard]] Answer<ObjectPointer> find_object(std::string_view bucket,
                                                  std::string_view key) const;
  struct OpenObject {
    ObjectPointer info;
    UniqueFd file;
  };
  [[nodiscard]] Answer<OpenObject> open_object(std::string_view bucket, std::string_view key) const;
  // A key that does not exist is deleted already.
  [[nodiscard]] Answer<void> delete_object(std::string_view bucket, std::string_view key);
  // Keys after `after` in byte order, at most `limit` keys and common prefixes together.
  [[nodiscard]] Answer<ObjectPage> list_objects(std::string_view bucket, std::string_view prefix,
                                                std::string_view delimiter, std::string_view after,
                                                size_t limit) const;

  [[nodiscard]] Answer<UploadInfo> create_upload(std::string_view bucket, UploadInfo info);
  [[nodiscard]] Answer<UploadInfo> find_upload(std::string_view bucket, std::string_view key,
                                               std::string_view id) const;
  [[nodiscard]] Answer<void> put_part(std::string_view bucket, std::string_view key,
                                      std::string_view id, PartInfo part, PendingFile data);
  [[nodiscard]] Answer<std::vector<PartInfo>> list_parts(std::string_view bucket,
                                                         std::string_view key,
                                                         std::string_view id) const;
  // `checksums`: of the whole object where the client states one. `stated_bytes`:
  // x-amz-mp-object-size.
  [[nodiscard]] Answer<ObjectPointer> complete_upload(std::string_view bucket, std::string_view key,
                                                      std::string_view id,
                                                      const std::vector<CompletedPart>& parts,
                                                      const Parameters& checksums,
                                                      std::optional<uint64_t> stated_bytes,
                                                      const WriteCondition& condition);
  [[nodiscard]] Answer<void> abort_upload(std::string_view bucket, std::string_view key,
                                          std::string_view id);
  [[nodiscard]] Answer<std::vector<UploadInfo>> uploads(std::string_view bucket) const;

 private:
  struct Upload {
    UploadInfo info;
    std::map<int, PartInfo> parts;
  };
  struct Bucket {
    std::string region;
    Timestamp created;
    std::map<std::string, ObjectPointer, std::less<>> objects;
    std::map<std::string, Upload, std::less<>> uploads;
  };

  S3Store(std::string directory, const Clock& clock);
  Status load();
  Status load_bucket(const std::string& name);
  Status load_upload(Bucket& bucket, const std::string& path, const std::string& id);
  std::string bucket_path(std::string_view bucket) const;
  std::string upload_path(std::string_view bucket, std::string_view id) const;
  Answer<const Bucket*> bucket_for(std::string_view bucket) const REQUIRES(mutex_);
  Answer<Bucket*> bucket_for(std::string_view bucket) REQUIRES(mutex_);
  Answer<Upload*> upload_for(std::string_view bucket, std::string_view key, std::string_view id)
      REQUIRES(mutex_);
  Answer<ObjectPointer> commit(std::string_view bucket, ObjectInfo info, PendingFile data,
                               const WriteCondition& condition) REQUIRES(mutex_);
  std::string next_generation() REQUIRES(mutex_);

  const std::string directory_, temporary_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::map<std::string, Bucket, std::less<>> buckets_ GUARDED_BY(mutex_);
  uint64_t generation_ GUARDED_BY(mutex_) = 0;
};

}  // namespace noroshi::localaws
