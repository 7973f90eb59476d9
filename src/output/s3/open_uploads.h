// OpenUploads: multipart uploads that S3 would bill for ever if nobody finished or aborted them.
//
// While an upload is under way a small file in the spool's directory names it, so that the next
// process can abort what a crash left. Best effort by nature: a bucket wants a lifecycle rule
// AbortIncompleteMultipartUpload as well.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace noroshi {

struct OpenUpload {
  std::string key = {};
  std::string upload_id = {};
  std::filesystem::path file = {};  // empty: not written down
};

// What one of its files says; nothing if a crash cut it short.
[[nodiscard]] std::optional<OpenUpload> read_open_upload(const std::filesystem::path& file);
[[nodiscard]] bool is_open_upload_file_name(std::string_view name);

// One thread.
class OpenUploads {
 public:
  // Forgotten beyond this many: then S3's lifecycle rule is all that helps.
  static constexpr size_t kOrphansMax = 1000;

  // Reads what an earlier process left in `directory`: all of it are orphans. Empty: nothing is
  // written.
  void load(std::filesystem::path directory);

  // An upload begins; returns what to give to finished() or abandon().
  [[nodiscard]] OpenUpload begin(std::string key, std::string upload_id);
  // Completed or aborted.
  static void finished(const OpenUpload& upload);
  // Nobody will complete it: somebody should abort it.
  void abandon(OpenUpload upload);
  // Takes up to `count` orphans; give back with abandon() what could not be aborted.
  [[nodiscard]] std::vector<OpenUpload> take_orphans(size_t count);
  [[nodiscard]] bool has_orphans() const { return !orphans_.empty(); }

 private:
  std::filesystem::path directory_;
  std::vector<OpenUpload> orphans_;
};

}  // namespace noroshi
