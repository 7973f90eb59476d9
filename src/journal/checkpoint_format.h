// The bytes of a checkpoint file: three slots of kCheckpointSlotBytes, each empty (zeros) or one
// save. README.md has the grammar.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "journal/checkpoint.h"
#include "journal/journal_id.h"

namespace noroshi {

inline constexpr uint32_t kCheckpointSlots = 3;
inline constexpr uint32_t kCheckpointSlotBytes = 256 << 10;
inline constexpr uint32_t kCheckpointHeadBytes = 56;
inline constexpr uint32_t kCheckpointItemBytes = 10;  // of a group or counter, before its text
static_assert(kCheckpointHeadBytes + kCheckpointKeyBytesMax +
                      kCheckpointGroupsMax * (kCheckpointItemBytes + kCheckpointKeyBytesMax) +
                      kCheckpointCountersMax *
                          (kCheckpointItemBytes + kCheckpointCounterNameBytesMax) <=
                  kCheckpointSlotBytes,
              "the largest checkpoint fits in a slot");

// One save. Saves of a checkpoint have rising generations; the highest whole one counts.
struct CheckpointSave {
  uint64_t generation = 0;
  JournalId journal = {};
  Checkpoint checkpoint = {};
};

// InvalidArgument if a limit of checkpoint.h is broken.
[[nodiscard]] Result<std::string> encode_checkpoint(const CheckpointSave& save);
// `slot` may be longer than the save. NotFound: empty. Corrupt: damaged, or of a newer version.
[[nodiscard]] Result<CheckpointSave> decode_checkpoint(std::string_view slot);
// Bytes of the save that begins so, to know how much to read; 0 if that is no save.
[[nodiscard]] uint32_t checkpoint_save_bytes(std::string_view head);

// "checkpoint-0123456789abcdef-s3-bucket": a hash, and what is readable of the identity.
[[nodiscard]] std::string checkpoint_file_name(std::string_view identity);
[[nodiscard]] bool is_checkpoint_file_name(std::string_view name);

}  // namespace noroshi
