// TextBatch: text in memory on its way to a file descriptor, and the one way to write it. What was
// written stays written: after a Retry the rest follows, not the whole again.
#pragma once

#include <memory>
#include <string>

#include "output/output.h"
#include "output/text/text_encoder.h"

namespace noroshi {

class TextBatch final : public Batch {
 public:
  // Text bytes after which a batch is full.
  static constexpr size_t kBytesMax = 1 << 20;

  TextBatch(std::string destination, std::shared_ptr<const TextEncoder> encoder);

  Result<uint32_t> add(const ChunkView& chunk, std::span<const uint32_t> records,
                       std::vector<RejectedRecord>& rejected) override;
  [[nodiscard]] bool full() const override { return text_.size() >= kBytesMax; }
  [[nodiscard]] uint64_t bytes() const override { return text_.size(); }

  [[nodiscard]] const std::string& destination() const { return destination_; }  // the group's key
  // The column names of its first record (Csv).
  [[nodiscard]] const std::string& column_names() const { return column_names_; }
  // Writes what is left with as few write(2) as the descriptor allows; waits for a descriptor that
  // is not ready until `deadline` (of `clock`). SIGPIPE must be blocked or ignored. Errors name no
  // path.
  [[nodiscard]] Status write_to(int fd, Monotonic deadline, const Clock& clock);

 private:
  std::string destination_;
  std::shared_ptr<const TextEncoder> encoder_;
  std::string text_;
  std::string column_names_;
  uint64_t records_ = 0;
  size_t written_ = 0;
  bool closed_ = false;
};

}  // namespace noroshi
