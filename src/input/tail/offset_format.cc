#include "input/tail/offset_format.h"

#include <algorithm>

#include "base/crc32c.h"
#include "base/little_endian.h"

namespace noroshi::tail {
namespace {

constexpr uint8_t kForget = 0, kPosition = 1;

void append_entry(std::string& out, FileId id, const StoredOffset& offset, uint8_t kind) {
  const size_t begin = out.size();
  const auto path_bytes = static_cast<uint16_t>(std::min<size_t>(offset.path.size(), UINT16_MAX));
  out.resize(begin + kOffsetEntryHead);
  char* const at = out.data() + begin;
  store_le(at + 4, path_bytes);
  at[6] = static_cast<char>(kind);
  store_le(at + 7, offset.head_bytes);
  store_le(at + 9, id.device);
  store_le(at + 17, id.inode);
  store_le(at + 25, offset.position);
  store_le(at + 33, offset.head_fingerprint);
  out.append(offset.path, 0, path_bytes);
  store_le(out.data() + begin, crc32c(std::string_view(out).substr(begin + 4)));
}

}  // namespace

void append_position(std::string& out, FileId id, const StoredOffset& offset) {
  append_entry(out, id, offset, kPosition);
}

void append_forget(std::string& out, FileId id) { append_entry(out, id, {}, kForget); }

ReadOffsets read_offsets(std::string_view bytes) {
  ReadOffsets read;
  if (!bytes.starts_with(kOffsetFileHeader)) return read;
  read.had_header = true;
  read.whole_bytes = kOffsetFileHeader.size();
  bytes.remove_prefix(kOffsetFileHeader.size());
  while (bytes.size() >= kOffsetEntryHead) {
    const char* const at = bytes.data();
    const size_t size = kOffsetEntryHead + load_le<uint16_t>(at + 4);
    if (bytes.size() < size || crc32c(bytes.substr(4, size - 4)) != load_le<uint32_t>(at)) break;
    const FileId id{load_le<uint64_t>(at + 9), load_le<uint64_t>(at + 17)};
    if (at[6] == kForget) {
      read.entries.erase(id);
    } else {
      read.entries[id] = {
          .position = load_le<uint64_t>(at + 25),
          .head_bytes = load_le<uint16_t>(at + 7),
          .head_fingerprint = load_le<uint64_t>(at + 33),
          .path = std::string(bytes.substr(kOffsetEntryHead, size - kOffsetEntryHead))};
    }
    read.whole_bytes += size;
    bytes.remove_prefix(size);
  }
  return read;
}

}  // namespace noroshi::tail
