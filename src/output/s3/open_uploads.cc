#include "output/s3/open_uploads.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "aws/sigv4.h"

namespace noroshi {
namespace {

constexpr std::string_view kFilePrefix = "upload-";
constexpr size_t kLineBytesMax = 4096;

}  // namespace

bool is_open_upload_file_name(std::string_view name) { return name.starts_with(kFilePrefix); }

std::optional<OpenUpload> read_open_upload(const std::filesystem::path& path) {
  std::ifstream file(path);
  OpenUpload upload{{}, {}, path};
  std::getline(file, upload.key);
  std::getline(file, upload.upload_id);
  const bool whole = file && !upload.key.empty() && !upload.upload_id.empty() &&
                     upload.key.size() + upload.upload_id.size() < kLineBytesMax;
  if (!whole) return std::nullopt;
  return upload;
}

void OpenUploads::load(std::filesystem::path directory) {
  directory_ = std::move(directory);
  if (directory_.empty()) return;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory_, error), end; !error && entry != end;
       entry.increment(error)) {
    if (!is_open_upload_file_name(entry->path().filename().string())) continue;
    if (std::optional<OpenUpload> upload = read_open_upload(entry->path())) {
      abandon(*std::move(upload));
    } else {
      std::error_code ignored;  // cut short by the crash: nothing to learn from it
      std::filesystem::remove(entry->path(), ignored);
    }
  }
}

OpenUpload OpenUploads::begin(std::string key, std::string upload_id) {
  OpenUpload upload{std::move(key), std::move(upload_id), {}};
  if (directory_.empty() || upload.upload_id.find('\n') != std::string::npos) return upload;
  const std::string name = std::string(kFilePrefix) + sha256_hex(upload.upload_id).substr(0, 24);
  std::ofstream file(directory_ / name, std::ios::trunc);
  file << upload.key << '\n' << upload.upload_id << '\n';
  if (file.flush()) upload.file = directory_ / name;
  return upload;
}

void OpenUploads::finished(const OpenUpload& upload) {
  if (upload.file.empty()) return;
  std::error_code ignored;
  std::filesystem::remove(upload.file, ignored);
}

void OpenUploads::abandon(OpenUpload upload) {
  if (orphans_.size() < kOrphansMax) orphans_.push_back(std::move(upload));
}

std::vector<OpenUpload> OpenUploads::take_orphans(size_t count) {
  const auto end = orphans_.begin() + static_cast<long>(std::min(count, orphans_.size()));
  std::vector<OpenUpload> taken(std::make_move_iterator(orphans_.begin()),
                                std::make_move_iterator(end));
  orphans_.erase(orphans_.begin(), end);
  return taken;
}

}  // namespace noroshi
