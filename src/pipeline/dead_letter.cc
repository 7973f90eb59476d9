#include "pipeline/dead_letter.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>

#include "base/result.h"
#include "pipeline/dead_letter_line.h"

namespace noroshi {
namespace {

// An instance name comes from the user's alias: anything that is not safe in a file name becomes
// '_'.
std::string file_name(const std::string& instance) {
  std::string name = instance;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') c = '_';
  }
  return name + ".jsonl";
}

}  // namespace

DeadLetters::DeadLetters(std::filesystem::path directory, std::string instance)
    : path_(directory.empty() ? std::filesystem::path() : directory / file_name(instance)),
      instance_(std::move(instance)) {}

bool DeadLetters::open() {
  // Somebody may have moved it away (a replay does): then a new one is begun.
  struct stat ours{}, there{};
  const bool same = file_.valid() && fstat(file_.get(), &ours) == 0 &&
                    stat(path_.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
                    ours.st_dev == there.st_dev;
  if (!same) bytes_ = 0;
  if (same && bytes_ < kDeadLetterFileBytesMax) return true;
  std::error_code ignored;
  std::filesystem::create_directories(path_.parent_path(), ignored);
  if (bytes_ >= kDeadLetterFileBytesMax)
    std::filesystem::rename(path_, path_.string() + ".1", ignored);
  file_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat status{};
  bytes_ =
      file_.valid() && fstat(file_.get(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
  return file_.valid();
}

void DeadLetters::write(const ChunkView& chunk, uint32_t index, DropReason reason,
                        std::string_view detail) {
  if (path_.empty()) return;
  line_.clear();
  write_dead_letter(line_, instance_, reason, detail, chunk, index);
  const ssize_t written = open() ? ::write(file_.get(), line_.data(), line_.size()) : -1;
  if (written != static_cast<ssize_t>(line_.size())) {
    // A disk that took a part of the line: without its end it would spoil the next one.
    if (written >= 0) errno = ENOSPC;
    if (written > 0 && ::ftruncate(file_.get(), static_cast<off_t>(bytes_)) != 0) errno = ENOSPC;
    if (const uint64_t times = trouble_.admit()) {
      log_error("dead_letter", "cannot keep a copy of {} given-up records in {}: {}", times,
                path_.string(), fail_errno(errno, "write").error().message);
    }
    return;
  }
  bytes_ += line_.size();
}

}  // namespace noroshi
