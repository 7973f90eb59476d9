// The bytes of a segment file; README.md shows them with a worked example. Everything is
// little-endian.
//
//   segment: header(64) entry*
//   entry:   head(56) tag marks receipts(16 each) index(16 per record) body padding(to 8)
//
// Both CRCs of an entry start from the segment's salt, which is made of the journal's id and the
// segment's first offset: bytes of another file that a file system shows in this one after a crash
// never pass. The salt does not depend on the segment header's bytes, so a damaged header costs
// nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/offset.h"
#include "base/result.h"
#include "journal/journal.h"
#include "journal/journal_id.h"
#include "journal/journal_reader.h"
#include "record/chunk.h"

namespace noroshi {

// 2: entries have receipts; where they are counted, version 1 wrote 0, so it is read as it is.
inline constexpr uint32_t kJournalFormatVersion = 2;
inline constexpr uint32_t kSegmentHeaderBytes = 64;
inline constexpr uint32_t kEntryHeadBytes = 56;
inline constexpr uint32_t kIndexEntryBytes = 16;
inline constexpr uint32_t kReceiptBytes = 16;
inline constexpr uint32_t kEntryAlignment = 8;
// A journal never gets there (146 years at a billion records a second); larger numbers are damage.
inline constexpr Offset kOffsetMax{1ull << 62};
// Nothing is read beyond: one entry and one segment of the largest allowed size fit.
inline constexpr uint64_t kSegmentFileBytesMax = 1ull << 30;
inline constexpr uint64_t kEntryBytesMax =
    kEntryHeadBytes + kTagBytesMax + kRoutingBytesMax + uint64_t{kReceiptBytes} * kReceiptsMax +
    uint64_t{kIndexEntryBytes} * kChunkRecordsMax + kChunkBodyBytesMax + kEntryAlignment;
static_assert(kSegmentHeaderBytes % kEntryAlignment == 0);
static_assert(kChunkBodyBytesMax < 1 << 24, "a metadata size has 24 bits in the index");
static_assert(kEntryBytesMax < UINT32_MAX, "an entry's size has 32 bits in its head");
static_assert(kSegmentFileBytesMax > 2 * kEntryBytesMax);

struct SegmentHeader {
  uint32_t version = kJournalFormatVersion;
  JournalId journal = {};
  Offset first = {};
  Timestamp created = {};
};
[[nodiscard]] std::string encode_segment_header(const SegmentHeader& header);
// Corrupt if it is none or damaged. A newer version is returned as it is; the caller must look.
[[nodiscard]] Result<SegmentHeader> decode_segment_header(std::string_view bytes);
[[nodiscard]] uint32_t segment_salt(const JournalId& journal, Offset first);

// What the 56 bytes of a head say. `payload` is index and body.
struct EntryLayout {
  Offset base = {};
  uint32_t record_count = 0;
  uint32_t body_bytes = 0;
  Timestamp appended_at = {};
  uint64_t route_table = 0;
  uint32_t marks_bytes = 0;
  uint32_t tag_bytes = 0;
  uint32_t receipts = 0;
  uint32_t payload_crc = 0;
  uint32_t entry_bytes = 0;

  [[nodiscard]] uint32_t head_bytes() const {
    return kEntryHeadBytes + tag_bytes + marks_bytes + kReceiptBytes * receipts;
  }
  [[nodiscard]] uint32_t index_bytes() const { return kIndexEntryBytes * record_count; }
  [[nodiscard]] uint32_t payload_bytes() const { return index_bytes() + body_bytes; }
  [[nodiscard]] Offset end() const { return base + record_count; }
  // To be called after a change; layout_of() has done so.
  void compute_entry_bytes();
};

// Size of the entry for this chunk; InvalidArgument if it breaks a limit or an index points outside
// the body.
[[nodiscard]] Result<EntryLayout> layout_of(const ChunkView& chunk, const Routing& routing);

// Encoder of entries; keeps its buffers. The pieces, written one after the other, are the entry.
class EntryEncoder {
 public:
  // `layout` comes from layout_of() of the same chunk, with base and appended_at filled in.
  // `receipts` are layout.receipts in number.
  void encode(EntryLayout layout, const ChunkView& chunk, const Routing& routing,
              std::span<const Receipt> receipts, uint32_t salt);
  [[nodiscard]] std::array<std::string_view, 3> pieces() const { return {front_, body_, padding_}; }

 private:
  std::string front_;      // head, tag, marks, receipts, index
  std::string compacted_;  // the body, where filters left holes in it
  std::string_view body_;
  std::string_view padding_;
};

// From kEntryHeadBytes bytes; nullopt unless magic and limits hold. The CRC is still to be checked.
[[nodiscard]] std::optional<EntryLayout> decode_entry_head(std::string_view bytes);
// `bytes`: the first layout.head_bytes() of the entry.
[[nodiscard]] bool head_crc_matches(std::string_view bytes, uint32_t salt);
// `payload`: index and body. False if the CRC or the sizes do not match.
[[nodiscard]] bool decode_payload(const EntryLayout& layout, std::string_view payload,
                                  uint32_t salt, std::vector<RecordEntry>& records);
// Appends what EntryHead::receipts holds.
void decode_receipts(std::string_view bytes, std::vector<Receipt>& receipts);
// True where an entry may begin (the magic), for finding the next one behind damage.
[[nodiscard]] bool has_entry_magic(const char* bytes);

// "00000000000000004711.segment", sorted by offset as by name.
[[nodiscard]] std::string segment_file_name(Offset first);
[[nodiscard]] std::optional<Offset> parse_segment_file_name(std::string_view name);

// A segment or identity file being made has this behind its name until it is whole.
inline constexpr std::string_view kUnfinishedSuffix = ".new";
inline constexpr std::string_view kIdentityFileName = "identity";
inline constexpr std::string_view kLockFileName = "lock";
[[nodiscard]] std::string encode_identity(const JournalId& id);
[[nodiscard]] Result<JournalId> decode_identity(std::string_view bytes);

}  // namespace noroshi
