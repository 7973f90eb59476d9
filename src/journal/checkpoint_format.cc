#include "journal/checkpoint_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "base/crc32c.h"
#include "base/little_endian.h"
#include "journal/journal_format.h"

namespace noroshi {
namespace {

constexpr uint32_t kCheckpointVersion = 1;
constexpr uint32_t kCheckpointMagic = 0x50434ee7;  // e7 'N' 'C' 'P'
constexpr size_t kCrcAt = 4;
constexpr size_t kSizeAt = 8;
constexpr size_t kVersionAt = 12;
constexpr size_t kGenerationAt = 16;
constexpr size_t kJournalAt = 24;
constexpr size_t kLowWaterAt = 40;
constexpr size_t kIdentityBytesAt = 48;
constexpr size_t kGroupsAt = 50;
constexpr size_t kCountersAt = 52;
static_assert(kCountersAt + 4 == kCheckpointHeadBytes);  // two reserved bytes
constexpr uint64_t kGenerationMax = 1ull << 62;

constexpr std::string_view kFilePrefix = "checkpoint-";
constexpr size_t kReadableBytesMax = 40;

void append_item(std::string& bytes, uint64_t value, std::string_view text) {
  char head[kCheckpointItemBytes];
  store_le(head, value);
  store_le(head + 8, static_cast<uint16_t>(text.size()));
  bytes.append(head, sizeof head).append(text);
}

// Takes one item off the front; false if it is cut.
bool take_item(std::string_view& bytes, uint64_t& value, std::string_view& text) {
  if (bytes.size() < kCheckpointItemBytes) return false;
  value = load_le<uint64_t>(bytes.data());
  const size_t size = load_le<uint16_t>(bytes.data() + 8);
  bytes.remove_prefix(kCheckpointItemBytes);
  if (bytes.size() < size) return false;
  text = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return true;
}

}  // namespace

Result<std::string> encode_checkpoint(const CheckpointSave& save) {
  const Checkpoint& checkpoint = save.checkpoint;
  if (checkpoint.identity.size() > kCheckpointKeyBytesMax) {
    return fail(ErrorCode::InvalidArgument, "an output's identity is longer than 1024 bytes");
  }
  if (checkpoint.groups.size() > kCheckpointGroupsMax ||
      checkpoint.counters.size() > kCheckpointCountersMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a checkpoint of {} groups and {} counters; {} and {} are the most",
                            checkpoint.groups.size(), checkpoint.counters.size(),
                            kCheckpointGroupsMax, kCheckpointCountersMax));
  }
  std::string bytes(kCheckpointHeadBytes, '\0');
  bytes += checkpoint.identity;
  for (const Checkpoint::Group& group : checkpoint.groups) {
    if (group.key.size() > kCheckpointKeyBytesMax) {
      return fail(ErrorCode::InvalidArgument, "a group's key is longer than 1024 bytes");
    }
    append_item(bytes, group.delivered.value, group.key);
  }
  for (const Checkpoint::SavedCounter& counter : checkpoint.counters) {
    if (counter.name.size() > kCheckpointCounterNameBytesMax) {
      return fail(ErrorCode::InvalidArgument, "a counter's name is longer than 64 bytes");
    }
    append_item(bytes, counter.value, counter.name);
  }
  store_le(&bytes[0], kCheckpointMagic);
  store_le(&bytes[kSizeAt], static_cast<uint32_t>(bytes.size()));
  store_le(&bytes[kVersionAt], kCheckpointVersion);
  store_le(&bytes[kGenerationAt], save.generation);
  std::memcpy(&bytes[kJournalAt], save.journal.bytes.data(), save.journal.bytes.size());
  store_le(&bytes[kLowWaterAt], checkpoint.low_water.value);
  store_le(&bytes[kIdentityBytesAt], static_cast<uint16_t>(checkpoint.identity.size()));
  store_le(&bytes[kGroupsAt], static_cast<uint16_t>(checkpoint.groups.size()));
  store_le(&bytes[kCountersAt], static_cast<uint16_t>(checkpoint.counters.size()));
  store_le(&bytes[kCrcAt], crc32c(std::string_view(bytes).substr(kSizeAt)));
  return bytes;
}

uint32_t checkpoint_save_bytes(std::string_view head) {
  if (head.size() < kCheckpointHeadBytes || load_le<uint32_t>(head.data()) != kCheckpointMagic) {
    return 0;
  }
  const uint32_t size = load_le<uint32_t>(&head[kSizeAt]);
  return size >= kCheckpointHeadBytes && size <= kCheckpointSlotBytes ? size : 0;
}

Result<CheckpointSave> decode_checkpoint(std::string_view slot) {
  const std::string_view head = slot.substr(0, kCheckpointHeadBytes);
  if (std::ranges::all_of(head, [](char byte) { return byte == '\0'; })) {
    return fail(ErrorCode::NotFound, "an empty slot");
  }
  const uint32_t size = checkpoint_save_bytes(slot);
  if (size == 0 || slot.size() < size) return fail(ErrorCode::Corrupt, "no checkpoint");
  std::string_view rest = slot.substr(0, size);
  if (load_le<uint32_t>(&slot[kCrcAt]) != crc32c(rest.substr(kSizeAt))) {
    return fail(ErrorCode::Corrupt, "the checkpoint's CRC does not match");
  }
  if (load_le<uint32_t>(&slot[kVersionAt]) != kCheckpointVersion) {
    return fail(ErrorCode::Corrupt, "a checkpoint of another version of noroshi");
  }
  CheckpointSave save;
  save.generation = load_le<uint64_t>(&slot[kGenerationAt]);
  std::memcpy(save.journal.bytes.data(), &slot[kJournalAt], save.journal.bytes.size());
  save.checkpoint.low_water = Offset{load_le<uint64_t>(&slot[kLowWaterAt])};
  const size_t identity_bytes = load_le<uint16_t>(&slot[kIdentityBytesAt]);
  const size_t groups = load_le<uint16_t>(&slot[kGroupsAt]);
  const size_t counters = load_le<uint16_t>(&slot[kCountersAt]);
  rest.remove_prefix(kCheckpointHeadBytes);
  const auto damaged = [] { return fail(ErrorCode::Corrupt, "a checkpoint's sizes do not match"); };
  if (identity_bytes > rest.size() || identity_bytes > kCheckpointKeyBytesMax) return damaged();
  if (groups > kCheckpointGroupsMax || counters > kCheckpointCountersMax) return damaged();
  save.checkpoint.identity = rest.substr(0, identity_bytes);
  rest.remove_prefix(identity_bytes);
  uint64_t value = 0;
  std::string_view text;
  for (size_t i = 0; i < groups; ++i) {
    if (!take_item(rest, value, text) || text.size() > kCheckpointKeyBytesMax) return damaged();
    save.checkpoint.groups.push_back({std::string(text), Offset{value}});
  }
  for (size_t i = 0; i < counters; ++i) {
    if (!take_item(rest, value, text) || text.size() > kCheckpointCounterNameBytesMax) {
      return damaged();
    }
    save.checkpoint.counters.push_back({std::string(text), value});
  }
  if (!rest.empty()) return damaged();
  if (save.checkpoint.highest() > kOffsetMax || save.generation > kGenerationMax) return damaged();
  return save;
}

std::string checkpoint_file_name(std::string_view identity) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, 64 bits
  for (const char c : identity) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  std::string readable(identity.substr(0, kReadableBytesMax));
  for (char& c : readable) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '_') c = '-';
  }
  // A start removes what ends like an unfinished file.
  if (readable.ends_with(kUnfinishedSuffix))
    readable[readable.size() - kUnfinishedSuffix.size()] = '-';
  return fmt::format("{}{:016x}-{}", kFilePrefix, hash, readable);
}

bool is_checkpoint_file_name(std::string_view name) {
  return name.starts_with(kFilePrefix) && !name.ends_with(kUnfinishedSuffix);
}

}  // namespace noroshi
