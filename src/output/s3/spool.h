// Spool: the body of one object while it grows: an unnamed file in store_dir, or anonymous memory
// where no directory can be written. Nothing of it survives the process, and nothing has to: the
// journal holds the records until the object is delivered.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace noroshi {

class SpoolSpace;

class Spool {
 public:
  Spool(UniqueFd file, SpoolSpace& space) : file_(std::move(file)), space_(&space) {}
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Errors: Exhausted (no space), Io. After an error the size is what it was.
  [[nodiscard]] Status append(std::string_view bytes);
  // Makes sure that so many more bytes can be appended. File systems that cannot promise say yes.
  [[nodiscard]] Status reserve(uint64_t bytes);
  [[nodiscard]] uint64_t size() const { return size_; }
  [[nodiscard]] int fd() const { return file_.get(); }

 private:
  UniqueFd file_;
  SpoolSpace* space_;
  uint64_t size_ = 0;
};

// Where one output's spools live. Outlives them; one thread.
class SpoolSpace {
 public:
  // Memory holds so much in all spools together, and a batch is full at a quarter of it.
  static constexpr uint64_t kMemoryBytesMax = 16 << 20;

  // An empty directory means memory. `bytes_max`: store_dir_limit_size, 0 for none.
  SpoolSpace(std::filesystem::path directory, uint64_t bytes_max)
      : directory_(std::move(directory)), disk_bytes_max_(bytes_max) {}

  // Makes the directory and tries a file in it. On failure the error says why and memory is used.
  [[nodiscard]] Status prepare();
  [[nodiscard]] Result<std::unique_ptr<Spool>> open();

  [[nodiscard]] bool in_memory() const { return directory_.empty(); }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  // A batch should be delivered before it is larger than this.
  [[nodiscard]] uint64_t batch_bytes_max() const;
  // All spools together are at their limit: deliver what there is.
  [[nodiscard]] bool crowded() const { return used_ >= bytes_max(); }
  // The disk was full when a spool had so many bytes: later ones end well before that.
  void note_disk_full(uint64_t spool_bytes);
  // An object is delivered and its space is free: the next may be a quarter larger again.
  void note_delivered();

 private:
  friend class Spool;
  [[nodiscard]] uint64_t bytes_max() const;

  std::filesystem::path directory_;
  uint64_t disk_bytes_max_;
  uint64_t learned_bytes_max_ = UINT64_MAX;
  uint64_t used_ = 0;
};

}  // namespace noroshi
