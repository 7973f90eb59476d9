// The file of an OffsetStore: a header, then entries of which the last one of a file counts.
//
//   header   "noroshi tail 1\n"
//   entry    u32 crc of the rest · u16 path bytes · u8 kind (0 forget, 1 position) · u16 head bytes
//            · u64 device · u64 inode · u64 position · u64 head fingerprint · path
//
// Little-endian; CRC-32C. Reading ends at the first entry that is broken or torn: what stands
// before it counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace noroshi::tail {

inline constexpr std::string_view kOffsetFileHeader = "noroshi tail 1\n";
inline constexpr size_t kOffsetEntryHead = 4 + 2 + 1 + 2 + 8 + 8 + 8 + 8;

struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  friend auto operator<=>(const FileId&, const FileId&) = default;
};

struct StoredOffset {
  uint64_t position = 0;
  uint16_t head_bytes = 0;  // of the file when it was written, kHeadBytes at most
  uint64_t head_fingerprint = 0;
  std::string path = {};  // its first UINT16_MAX bytes are stored
  friend bool operator==(const StoredOffset&, const StoredOffset&) = default;
};

using StoredOffsets = std::map<FileId, StoredOffset>;

void append_position(std::string& out, FileId id, const StoredOffset& offset);
void append_forget(std::string& out, FileId id);

// `had_header`: it is such a file at all.
struct ReadOffsets {
  bool had_header = false;
  StoredOffsets entries = {};
  uint64_t whole_bytes = 0;  // behind them, if the file is longer: a torn or damaged entry
};
[[nodiscard]] ReadOffsets read_offsets(std::string_view bytes);

}  // namespace noroshi::tail
