// DeadLetters: records an output gave up, kept as JSON lines beside the journal, with the reason,
// so that an operator can see and replay them:
//
//   <directory>/<instance>.jsonl, each line as in dead_letter_line.h
//
// Bounded: at kDeadLetterFileBytesMax the file becomes <instance>.jsonl.1 (the previous .1 goes)
// and a new one starts. Without a directory (journal in memory) nothing is kept, only counted by
// the caller. A write that fails is logged once an episode: losing the copy must not stop delivery.
// One delivery thread each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/unique_fd.h"
#include "metrics/metrics.h"
#include "record/chunk.h"

namespace noroshi {

inline constexpr uint64_t kDeadLetterFileBytesMax = 64 << 20;

class DeadLetters {
 public:
  DeadLetters(std::filesystem::path directory, std::string instance);

  [[nodiscard]] bool enabled() const { return !path_.empty(); }
  void write(const ChunkView& chunk, uint32_t index, DropReason reason, std::string_view detail);

 private:
  bool open();

  std::filesystem::path path_;
  std::string instance_;
  UniqueFd file_;
  uint64_t bytes_ = 0;
  std::string line_;
  LogEpisode trouble_;
};

}  // namespace noroshi
