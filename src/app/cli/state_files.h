// The files that a router keeps its state in, for `noroshi journal ls|dump|verify`: what each one
// is, its records as JSON lines, and whether it is whole. Reads only, beside a running router.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace noroshi {

enum class StateKind {
  Segment,
  ForeignSegment,  // of another journal; the start renamed it
  Checkpoint,
  Identity,
  Lock,
  Untrusted,     // which segments are to be written again after an fsync that failed
  TailOffsets,   // of a tail input: state/tail/*.offsets
  DeadLetters,   // a record a line; *.replayed: they were sent again
  OpenUpload,    // of the S3 output
  Spool,         // of the S3 output; it has a name for an instant only
  Unfinished,    // a file being made, or left by a crash: the next start removes it
  SymbolicLink,  // not followed
  Unknown,       // not ours
};
[[nodiscard]] std::string_view to_string(StateKind kind);

struct StateFile {
  std::filesystem::path path = {};
  StateKind kind = StateKind::Unknown;
  uint64_t bytes = 0;
  Timestamp modified = {};
};

// All files at or below `path`, by name; at most kStateFilesMax. NotFound if there is no such path.
inline constexpr size_t kStateFilesMax = 100'000;
[[nodiscard]] Result<std::vector<StateFile>> find_state_files(const std::filesystem::path& path);

// A table: what, size, age, name; names relative to `root`.
[[nodiscard]] std::string format_state_files(const std::vector<StateFile>& files,
                                             const std::filesystem::path& root, Timestamp now);

// What is wrong with it: one line each, without the file's name; at most kStateProblemsMax.
inline constexpr size_t kStateProblemsMax = 20;
[[nodiscard]] std::vector<std::string> verify_state_file(const StateFile& file);

// What it says, as JSON lines; what is not readable is left out, and InvalidArgument the answer for
// files that have no records. `write` returns false when it has enough.
[[nodiscard]] Status dump_state_file(const StateFile& file,
                                     const std::function<bool(std::string_view line)>& write);

}  // namespace noroshi
