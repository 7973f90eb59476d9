// PosixFile: a File on a descriptor. Shared by the disk's and the memory's FileSystem; nobody else
// needs it.
#pragma once

#include "base/file_system.h"
#include "base/unique_fd.h"

namespace noroshi {

class PosixFile final : public File {
 public:
  // `name` is for messages.
  PosixFile(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}

  Result<size_t> read_at(uint64_t position, std::span<char> buffer) override;
  Status write_at(uint64_t position, std::span<const std::string_view> pieces) override;
  Result<uint64_t> size() override;
  Status truncate(uint64_t size) override;
  Status sync() override;

 private:
  UniqueFd fd_;
  std::string name_;
};

}  // namespace noroshi
