#include "localaws/s3_store.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "localaws/checksums.h"
#include "localaws/hashes.h"
#include "localaws/s3_metadata.h"

namespace noroshi::localaws {
namespace {

constexpr size_t kCopyBytes = 1 << 20;

std::unexpected<AwsError> no_such_bucket(std::string_view bucket) {
  return std::unexpected(AwsError{404,
                                  "NoSuchBucket",
                                  "The specified bucket does not exist",
                                  {{"BucketName", std::string(bucket)}}});
}

std::unexpected<AwsError> no_such_key(std::string_view key) {
  return std::unexpected(
      AwsError{404, "NoSuchKey", "The specified key does not exist.", {{"Key", std::string(key)}}});
}

std::unexpected<AwsError> no_such_upload(std::string_view id) {
  return std::unexpected(
      AwsError{404,
               "NoSuchUpload",
               "The specified upload does not exist. The upload ID may be invalid, or the upload "
               "may have been aborted or completed.",
               {{"UploadId", std::string(id)}}});
}

std::unexpected<AwsError> from(const Error& error) { return internal_error(error.message); }

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
bool valid_bucket_name(std::string_view name) {
  if (name.size() < 3 || name.size() > 63) return false;
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  if (!letter_or_digit(name.front()) || !letter_or_digit(name.back())) return false;
  if (name.find("..") != std::string_view::npos) return false;
  const bool only_digits_and_dots =
      std::ranges::all_of(name, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  if (only_digits_and_dots && std::ranges::count(name, '.') == 3) return false;
  return std::ranges::all_of(name,
                             [&](char c) { return letter_or_digit(c) || c == '-' || c == '.'; });
}

std::string_view without_quotes(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    return etag.substr(1, etag.size() - 2);
  }
  return etag;
}

Answer<void> check_condition(const ObjectPointer& existing, const WriteCondition& condition,
                             std::string_view key) {
  const auto failed = [](std::string_view header) {
    return std::unexpected(AwsError{412,
                                    "PreconditionFailed",
                                    "At least one of the pre-conditions you specified did not hold",
                                    {{"Condition", std::string(header)}}});
  };
  if (condition.must_not_exist && existing) return failed("If-None-Match");
  if (condition.etag) {
    if (!existing) return no_such_key(key);
    if (*condition.etag != "*" && without_quotes(*condition.etag) != existing->etag) {
      return failed("If-Match");
    }
  }
  return {};
}

std::vector<std::string> directory_entries(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

void remove_tree(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

}  // namespace

S3Store::S3Store(std::string directory, const Clock& clock)
    : directory_(directory + "/s3"), temporary_(directory + "/tmp"), clock_(clock) {}

Result<std::unique_ptr<S3Store>> S3Store::open(const std::string& directory, const Clock& clock) {
  std::unique_ptr<S3Store> store(new S3Store(directory, clock));
  NOROSHI_TRY(store->load());
  return store;
}

Status S3Store::load() {
  remove_tree(temporary_);
  NOROSHI_TRY(make_directories(temporary_));
  NOROSHI_TRY(make_directories(directory_));
  for (const std::string& name : directory_entries(directory_)) NOROSHI_TRY(load_bucket(name));
  return {};
}

Status S3Store::load_bucket(const std::string& name) {
  const std::string path = bucket_path(name);
  const auto text = read_whole_file(path + "/bucket.json");
  if (!text && text.error().code == ErrorCode::NotFound) {
    remove_tree(path);  // its creation or deletion was interrupted
    return {};
  }
  if (!text) return std::unexpected(text.error());
  auto description = bucket_from_json(*text);
  if (!description) return std::unexpected(std::move(description).error().with_context(path));
  MutexLock lock(mutex_);
  Bucket& bucket = buckets_[description->name];
  bucket.region = description->region;
  bucket.created = description->created;

  std::set<std::string> used;
  const std::vector<std::string> files = directory_entries(path + "/objects");
  for (const std::string& file : files) {
    if (!file.ends_with(".meta")) continue;
    NOROSHI_ASSIGN(const std::string meta, read_whole_file(path + "/objects/" + file));
    auto info = object_from_json(meta);
    if (!info) return std::unexpected(std::move(info).error().with_context(path + "/" + file));
    used.insert(info->file);
    std::string key = info->key;
    bucket.objects[std::move(key)] = std::make_shared<const ObjectInfo>(*std::move(info));
  }
  for (const std::string& file : files) {
    if (file.ends_with(".meta") || used.contains(file)) continue;
    ::unlink((path + "/objects/" + file).c_str());  // replaced, or never committed
  }
  for (const std::string& id : directory_entries(path + "/uploads")) {
    NOROSHI_TRY(load_upload(bucket, path + "/uploads/" + id, id));
  }
  return {};
}

Status S3Store::load_upload(Bucket& bucket, const std::string& path, const std::string& id) {
  const auto text = read_whole_file(path + "/upload.json");
  if (!text) {
    remove_tree(path);
    return {};
  }
  auto info = upload_from_json(*text);
  if (!info) return std::unexpected(std::move(info).error().with_context(path));
  Upload& upload = bucket.uploads[id];
  upload.info = *std::move(info);
  for (const std::string& file : directory_entries(path)) {
    if (!file.ends_with(".meta")) continue;
    NOROSHI_ASSIGN(const std::string meta, read_whole_file(path + "/" + file));
    auto part = part_from_json(meta);
    if (!part) return std::unexpected(std::move(part).error().with_context(path + "/" + file));
    upload.parts[part->number] = *part;
  }
  return {};
}

std::string S3Store::bucket_path(std::string_view bucket) const {
  return fmt::format("{}/{}", directory_, bucket);
}

std::string S3Store::upload_path(std::string_view bucket, std::string_view id) const {
  return fmt::format("{}/{}/uploads/{}", directory_, bucket, id);
}

// Unique across restarts: the clock's nanoseconds, never twice the same.
std::string S3Store::next_generation() {
  const auto now = static_cast<uint64_t>(clock_.wall().time_since_epoch().count());
  generation_ = std::max(generation_ + 1, now);
  return fmt::format("{:016x}", generation_);
}

Answer<const S3Store::Bucket*> S3Store::bucket_for(std::string_view bucket) const {
  const auto found = buckets_.find(bucket);
  if (found == buckets_.end()) return no_such_bucket(bucket);
  return &found->second;
}

Answer<S3Store::Bucket*> S3Store::bucket_for(std::string_view bucket) {
  const auto found = buckets_.find(bucket);
  if (found == buckets_.end()) return no_such_bucket(bucket);
  return &found->second;
}

Answer<S3Store::Upload*> S3Store::upload_for(std::string_view bucket, std::string_view key,
                                             std::string_view id) {
  NOROSHI_ASSIGN(Bucket * found_bucket, bucket_for(bucket));
  const auto found = found_bucket->uploads.find(id);
  if (found == found_bucket->uploads.end() || found->second.info.key != key) {
    return no_such_upload(id);
  }
  return &found->second;
}

Answer<void> S3Store::create_bucket(std::string_view bucket, std::string_view region) {
  if (!valid_bucket_name(bucket)) {
    return std::unexpected(AwsError{400,
                                    "InvalidBucketName",
                                    "The specified bucket is not valid.",
                                    {{"BucketName", std::string(bucket)}}});
  }
  MutexLock lock(mutex_);
  if (buckets_.contains(bucket)) {
    return std::unexpected(AwsError{409,
                                    "BucketAlreadyOwnedByYou",
                                    "Your previous request to create the named bucket succeeded "
                                    "and you already own it.",
                                    {{"BucketName", std::string(bucket)}}});
  }
  const Timestamp now = clock_.wall();
  const std::string path = bucket_path(bucket);
  Status status = make_directories(path + "/objects");
  if (status) status = make_directories(path + "/uploads");
  if (status) status = replace_file(path + "/bucket.json", bucket_json(bucket, region, now));
  if (!status) return from(status.error());
  Bucket& created = buckets_[std::string(bucket)];
  created.region = std::string(region);
  created.created = now;
  return {};
}

Answer<void> S3Store::delete_bucket(std::string_view bucket) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Bucket * found, bucket_for(bucket));
  if (!found->objects.empty()) {
    return std::unexpected(AwsError{409,
                                    "BucketNotEmpty",
                                    "The bucket you tried to delete is not empty",
                                    {{"BucketName", std::string(bucket)}}});
  }
  ::unlink((bucket_path(bucket) + "/bucket.json").c_str());  // the commit
  remove_tree(bucket_path(bucket));
  buckets_.erase(buckets_.find(bucket));
  return {};
}

Answer<std::string> S3Store::find_bucket(std::string_view bucket) const {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(const Bucket* found, bucket_for(bucket));
  return found->region;
}

std::vector<std::pair<std::string, Timestamp>> S3Store::buckets() const {
  MutexLock lock(mutex_);
  std::vector<std::pair<std::string, Timestamp>> out;
  for (const auto& [name, bucket] : buckets_) out.emplace_back(name, bucket.created);
  return out;
}

Answer<ObjectPointer> S3Store::put_object(std::string_view bucket, ObjectInfo info,
                                          PendingFile data, const WriteCondition& condition) {
  MutexLock lock(mutex_);
  return commit(bucket, std::move(info), std::move(data), condition);
}

Answer<ObjectPointer> S3Store::commit(std::string_view bucket, ObjectInfo info, PendingFile data,
                                      const WriteCondition& condition) {
  NOROSHI_ASSIGN(Bucket * found, bucket_for(bucket));
  const auto existing = found->objects.find(info.key);
  const ObjectPointer before = existing == found->objects.end() ? nullptr : existing->second;
  if (auto held = check_condition(before, condition, info.key); !held) {
    return std::unexpected(held.error());
  }
  const std::string directory = bucket_path(bucket) + "/objects/";
  const std::string name = file_name_for(info.key);
  info.modified = clock_.wall();
  info.file = name + "@" + next_generation();
  Status status = data.move_to(directory + info.file);
  if (status) status = replace_file(directory + name + ".meta", to_json(info));  // the commit
  if (!status) return from(status.error());
  if (before) ::unlink((directory + before->file).c_str());
  std::string key = info.key;
  auto pointer = std::make_shared<const ObjectInfo>(std::move(info));
  found->objects[std::move(key)] = pointer;
  return pointer;
}

Answer<ObjectPointer> S3Store::find_object(std::string_view bucket, std::string_view key) const {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(const Bucket* found, bucket_for(bucket));
  const auto object = found->objects.find(key);
  if (object == found->objects.end()) return no_such_key(key);
  return object->second;
}

Answer<S3Store::OpenObject> S3Store::open_object(std::string_view bucket,
                                                 std::string_view key) const {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(const Bucket* found, bucket_for(bucket));
  const auto object = found->objects.find(key);
  if (object == found->objects.end()) return no_such_key(key);
  const std::string path = bucket_path(bucket) + "/objects/" + object->second->file;
  OpenObject open{object->second, UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC))};
  if (!open.file.valid()) return internal_error(fmt::format("cannot open {}", path));
  return open;
}

Answer<void> S3Store::delete_object(std::string_view bucket, std::string_view key) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Bucket * found, bucket_for(bucket));
  const auto object = found->objects.find(key);
  if (object == found->objects.end()) return {};
  const std::string directory = bucket_path(bucket) + "/objects/";
  ::unlink((directory + file_name_for(key) + ".meta").c_str());  // the commit
  ::unlink((directory + object->second->file).c_str());
  found->objects.erase(object);
  return {};
}

Answer<ObjectPage> S3Store::list_objects(std::string_view bucket, std::string_view prefix,
                                         std::string_view delimiter, std::string_view after,
                                         size_t limit) const {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(const Bucket* found, bucket_for(bucket));
  ObjectPage page;
  size_t count = 0;
  auto at = after < prefix ? found->objects.lower_bound(prefix) : found->objects.upper_bound(after);
  while (at != found->objects.end() && at->first.starts_with(prefix)) {
    const std::string& key = at->first;
    const size_t cut = delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
    if (cut == std::string::npos) {
      if (count == limit) {
        page.truncated = true;
        break;
      }
      page.objects.push_back(at->second);
      page.last = key;
      ++count;
      ++at;
      continue;
    }
    const std::string common = key.substr(0, cut + delimiter.size());
    // `after` may be a common prefix that the previous page ended with: skip all below it.
    if (common != after) {
      if (count == limit) {
        page.truncated = true;
        break;
      }
      page.common_prefixes.push_back(common);
      page.last = common;
      ++count;
    }
    while (at != found->objects.end() && at->first.starts_with(common)) ++at;
  }
  return page;
}

Answer<UploadInfo> S3Store::create_upload(std::string_view bucket, UploadInfo info) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Bucket * found, bucket_for(bucket));
  info.id = next_generation() + hex(random_bytes(12));
  info.initiated = clock_.wall();
  const std::string path = upload_path(bucket, info.id);
  Status status = make_directories(path);
  if (status) status = replace_file(path + "/upload.json", to_json(info));
  if (!status) return from(status.error());
  found->uploads[info.id].info = info;
  return info;
}

Answer<UploadInfo> S3Store::find_upload(std::string_view bucket, std::string_view key,
                                        std::string_view id) const {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(const Bucket* found, bucket_for(bucket));
  const auto upload = found->uploads.find(id);
  if (upload == found->uploads.end() || upload->second.info.key != key) return no_such_upload(id);
  return upload->second.info;
}

Answer<void> S3Store::put_part(std::string_view bucket, std::string_view key, std::string_view id,
                               PartInfo part, PendingFile data) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Upload * upload, upload_for(bucket, key, id));
  const std::string path = upload_path(bucket, id);
  const std::string name = fmt::format("part-{:05}", part.number);
  part.modified = clock_.wall();
  part.file = name + "@" + next_generation();
  Status status = data.move_to(path + "/" + part.file);
  if (status) status = replace_file(path + "/" + name + ".meta", to_json(part));
  if (!status) return from(status.error());
  const auto before = upload->parts.find(part.number);
  if (before != upload->parts.end()) ::unlink((path + "/" + before->second.file).c_str());
  upload->parts[part.number] = std::move(part);
  return {};
}

Answer<std::vector<PartInfo>> S3Store::list_parts(std::string_view bucket, std::string_view key,
                                                  std::string_view id) const {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(const Bucket* found, bucket_for(bucket));
  const auto upload = found->uploads.find(id);
  if (upload == found->uploads.end() || upload->second.info.key != key) return no_such_upload(id);
  std::vector<PartInfo> parts;
  for (const auto& [number, part] : upload->second.parts) parts.push_back(part);
  return parts;
}

Answer<ObjectPointer> S3Store::complete_upload(std::string_view bucket, std::string_view key,
                                               std::string_view id,
                                               const std::vector<CompletedPart>& parts,
                                               const Parameters& checksums,
                                               std::optional<uint64_t> stated_bytes,
                                               const WriteCondition& condition) {
  // The parts are checked and opened under the lock, copied without it (that can take long), and
  // the object is committed under it again.
  UploadInfo upload_info;
  ObjectInfo info;
  info.key = std::string(key);
  std::vector<UniqueFd> files;
  std::vector<PartInfo> chosen;
  {
    MutexLock lock(mutex_);
    NOROSHI_ASSIGN(Upload * upload, upload_for(bucket, key, id));
    upload_info = upload->info;
    int previous = 0;
    for (const CompletedPart& part : parts) {
      if (part.number <= previous) {
        return refuse(400, "InvalidPartOrder",
                      "The list of parts was not in ascending order. The parts list must be "
                      "specified in order by part number.");
      }
      previous = part.number;
      const auto stored = upload->parts.find(part.number);
      bool same = stored != upload->parts.end() && stored->second.etag == without_quotes(part.etag);
      for (const auto& [algorithm, value] : part.checksums) {
        const std::string* known =
            same ? find_parameter(stored->second.checksums, algorithm) : nullptr;
        same = same && (known == nullptr || *known == value);
      }
      if (!same) {
        return std::unexpected(
            AwsError{400,
                     "InvalidPart",
                     "One or more of the specified parts could not be found. The part may not "
                     "have been uploaded, or the specified entity tag may not match the part's "
                     "entity tag.",
                     {{"UploadId", std::string(id)},
                      {"PartNumber", std::to_string(part.number)},
                      {"ETag", part.etag}}});
      }
      if (&part != &parts.back() && stored->second.bytes < kPartBytesMin) {
        return std::unexpected(
            AwsError{400,
                     "EntityTooSmall",
                     "Your proposed upload is smaller than the minimum allowed size",
                     {{"ProposedSize", std::to_string(stored->second.bytes)},
                      {"MinSizeAllowed", std::to_string(kPartBytesMin)},
                      {"PartNumber", std::to_string(part.number)},
                      {"ETag", stored->second.etag}}});
      }
      const std::string path = upload_path(bucket, id) + "/" + stored->second.file;
      files.emplace_back(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!files.back().valid()) return internal_error(fmt::format("cannot open {}", path));
      chosen.push_back(stored->second);
      info.bytes += stored->second.bytes;
    }
  }
  if (stated_bytes && *stated_bytes != info.bytes) {
    return refuse(400, "InvalidRequest",
                  fmt::format("The provided 'x-amz-mp-object-size' header value {} does not match "
                              "what was computed: {}",
                              *stated_bytes, info.bytes));
  }

  auto data = new_file();
  if (!data) return from(data.error());
  const auto algorithm = checksum_algorithm(upload_info.checksum_algorithm);
  std::optional<Hasher> whole;
  if (algorithm && upload_info.checksum_type == "FULL_OBJECT") whole.emplace(*algorithm);
  std::string part_md5s;
  std::string part_checksums;
  std::string piece;
  for (size_t i = 0; i < files.size(); ++i) {
    part_md5s += from_hex(chosen[i].etag);
    if (algorithm) {
      const std::string* value =
          find_parameter(chosen[i].checksums, upload_info.checksum_algorithm);
      if (value) part_checksums += base64_decode(*value).value_or("");
    }
    for (uint64_t position = 0; position < chosen[i].bytes;) {
      piece.resize(std::min<uint64_t>(kCopyBytes, chosen[i].bytes - position));
      const ssize_t size =
          ::pread(files[i].get(), piece.data(), piece.size(), static_cast<off_t>(position));
      if (size <= 0) return internal_error("a part's file is shorter than its metadata says");
      piece.resize(static_cast<size_t>(size));
      if (whole) whole->update(piece);
      if (const Status status = write_all(data->fd(), piece); !status) return from(status.error());
      position += static_cast<uint64_t>(size);
    }
  }
  info.etag = fmt::format("{}-{}", hex(hash(HashAlgorithm::Md5, part_md5s)), parts.size());
  info.headers = upload_info.headers;
  if (algorithm) {
    const std::string value =
        whole ? base64(whole->finish())
              : fmt::format("{}-{}", base64(hash(*algorithm, part_checksums)), parts.size());
    const std::string* stated = find_parameter(checksums, upload_info.checksum_algorithm);
    // A composite value may be stated without its "-N".
    if (stated && *stated != value && !value.starts_with(*stated + "-")) {
      return refuse(400, "BadDigest",
                    fmt::format("The {} you specified did not match the calculated checksum.",
                                upload_info.checksum_algorithm));
    }
    info.checksums = {{upload_info.checksum_algorithm, value}};
    info.checksum_type = upload_info.checksum_type;
  }

  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Upload * upload, upload_for(bucket, key, id));  // aborted or completed meanwhile?
  static_cast<void>(upload);
  NOROSHI_ASSIGN(ObjectPointer object,
                 commit(bucket, std::move(info), *std::move(data), condition));
  const std::string path = upload_path(bucket, id);
  ::unlink((path + "/upload.json").c_str());
  remove_tree(path);
  NOROSHI_ASSIGN(Bucket * found, bucket_for(bucket));
  found->uploads.erase(found->uploads.find(id));
  return object;
}

Answer<void> S3Store::abort_upload(std::string_view bucket, std::string_view key,
                                   std::string_view id) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Upload * upload, upload_for(bucket, key, id));
  static_cast<void>(upload);
  const std::string path = upload_path(bucket, id);
  ::unlink((path + "/upload.json").c_str());  // the commit
  remove_tree(path);
  NOROSHI_ASSIGN(Bucket * found, bucket_for(bucket));
  found->uploads.erase(found->uploads.find(id));
  return {};
}

Answer<std::vector<UploadInfo>> S3Store::uploads(std::string_view bucket) const {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(const Bucket* found, bucket_for(bucket));
  std::vector<UploadInfo> out;
  for (const auto& [id, upload] : found->uploads) out.push_back(upload.info);
  std::ranges::sort(out, [](const UploadInfo& a, const UploadInfo& b) {
    return std::tie(a.key, a.initiated, a.id) < std::tie(b.key, b.initiated, b.id);
  });
  return out;
}

}  // namespace noroshi::localaws
