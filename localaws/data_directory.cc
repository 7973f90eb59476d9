#include "localaws/data_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "localaws/hashes.h"

namespace noroshi::localaws {
namespace {

constexpr size_t kNameBytesMax = 200;  // leaves room for suffixes below NAME_MAX (255)
constexpr size_t kNamePrefixBytes = 120;

}  // namespace

std::string file_name_for(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '=' || (c == '.' && !out.empty());
    if (plain) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<uint8_t>(c)));
    }
  }
  if (out.size() <= kNameBytesMax) return out;
  // '~' appears in no other name, so a cut one cannot equal a whole one.
  return out.substr(0, kNamePrefixBytes) + "~" + hex(hash(HashAlgorithm::Sha256, text));
}

Status make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail_errno(error.value(), fmt::format("cannot create directory {}", path));
  return {};
}

Result<std::string> read_whole_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, fmt::format("cannot open {}", path));
  std::string text;
  for (;;) {
    const size_t before = text.size();
    text.resize(before + 64 * 1024);
    const ssize_t size = ::read(fd.get(), text.data() + before, text.size() - before);
    if (size < 0) return fail_errno(errno, fmt::format("cannot read {}", path));
    text.resize(before + static_cast<size_t>(size));
    if (size == 0) return text;
  }
}

Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(fd, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno(errno, "cannot write");
    bytes.remove_prefix(static_cast<size_t>(size));
  }
  return {};
}

Status replace_file(const std::string& path, std::string_view text) {
  const std::string beside = path + "@new";
  {
    const UniqueFd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd.valid()) return fail_errno(errno, fmt::format("cannot create {}", beside));
    NOROSHI_TRY(write_all(fd.get(), text));
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) {
    return fail_errno(errno, fmt::format("cannot rename to {}", path));
  }
  return {};
}

Result<PendingFile> PendingFile::create(const std::string& temporary_directory) {
  static std::atomic<uint64_t> next{0};
  std::string path = fmt::format("{}/{}", temporary_directory, next.fetch_add(1));
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid()) return fail_errno(errno, fmt::format("cannot create {}", path));
  return PendingFile(std::move(path), std::move(fd));
}

PendingFile::PendingFile(PendingFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}

PendingFile::~PendingFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

Status PendingFile::move_to(const std::string& path) {
  if (::rename(path_.c_str(), path.c_str()) != 0) {
    return fail_errno(errno, fmt::format("cannot rename to {}", path));
  }
  path_.clear();
  return {};
}

}  // namespace noroshi::localaws
