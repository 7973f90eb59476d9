#include "journal/journal_format.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/little_endian.h"

namespace noroshi {
namespace {

// Positions of the fields; README.md has the same tables.
constexpr std::string_view kSegmentMagic = "noroshiJ";
constexpr std::string_view kIdentityMagic = "noroshiI";
constexpr size_t kSegmentVersionAt = 8;
constexpr size_t kSegmentJournalAt = 16;
constexpr size_t kSegmentFirstAt = 32;
constexpr size_t kSegmentCreatedAt = 40;
constexpr size_t kSegmentCrcAt = 60;
static_assert(kSegmentCrcAt + 4 == kSegmentHeaderBytes);

// The first byte is no ASCII and no MessagePack of a usual record, so a scan seldom stops for
// nothing.
constexpr uint32_t kEntryMagic = 0x45524ee7;  // e7 'N' 'R' 'E'
constexpr size_t kHeadCrcAt = 4;
constexpr size_t kBaseAt = 8;
constexpr size_t kRecordCountAt = 16;
constexpr size_t kBodyBytesAt = 20;
constexpr size_t kAppendedAtAt = 24;
constexpr size_t kRouteTableAt = 32;
constexpr size_t kMarksBytesAt = 40;
constexpr size_t kTagBytesAt = 44;
constexpr size_t kReceiptsAt = 46;
constexpr size_t kPayloadCrcAt = 48;
constexpr size_t kEntryBytesAt = 52;
static_assert(kEntryBytesAt + 4 == kEntryHeadBytes);
static_assert(kTagBytesMax <= UINT16_MAX && kReceiptsMax <= UINT16_MAX);

constexpr size_t kIdentityJournalAt = 8;
constexpr size_t kIdentityVersionAt = 24;
constexpr size_t kIdentityCrcAt = 28;
constexpr size_t kIdentityBytes = 32;

constexpr std::string_view kSegmentSuffix = ".segment";
constexpr size_t kSegmentDigits = 20;

uint32_t padded(uint64_t bytes) {
  return static_cast<uint32_t>((bytes + kEntryAlignment - 1) / kEntryAlignment * kEntryAlignment);
}

}  // namespace

std::string to_string(const JournalId& id) {
  std::string text;
  for (const uint8_t byte : id.bytes) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

JournalId make_journal_id() {
  JournalId id;
  const ssize_t size = ::getrandom(id.bytes.data(), id.bytes.size(), 0);
  CHECK(size == static_cast<ssize_t>(id.bytes.size()), "getrandom gives 16 bytes");
  return id;
}

std::string encode_segment_header(const SegmentHeader& header) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  bytes.replace(0, kSegmentMagic.size(), kSegmentMagic);
  store_le(&bytes[kSegmentVersionAt], header.version);
  std::memcpy(&bytes[kSegmentJournalAt], header.journal.bytes.data(), header.journal.bytes.size());
  store_le(&bytes[kSegmentFirstAt], header.first.value);
  store_le<int64_t>(&bytes[kSegmentCreatedAt], header.created.time_since_epoch().count());
  store_le(&bytes[kSegmentCrcAt], crc32c({bytes.data(), kSegmentCrcAt}));
  return bytes;
}

Result<SegmentHeader> decode_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) {
    return fail(ErrorCode::Corrupt, "shorter than a segment header");
  }
  if (!bytes.starts_with(kSegmentMagic)) return fail(ErrorCode::Corrupt, "no segment header");
  if (load_le<uint32_t>(&bytes[kSegmentCrcAt]) != crc32c(bytes.substr(0, kSegmentCrcAt))) {
    return fail(ErrorCode::Corrupt, "the segment header's CRC does not match");
  }
  SegmentHeader header;
  header.version = load_le<uint32_t>(&bytes[kSegmentVersionAt]);
  std::memcpy(header.journal.bytes.data(), &bytes[kSegmentJournalAt], header.journal.bytes.size());
  header.first = Offset{load_le<uint64_t>(&bytes[kSegmentFirstAt])};
  header.created = Timestamp(Nanoseconds(load_le<int64_t>(&bytes[kSegmentCreatedAt])));
  return header;
}

uint32_t segment_salt(const JournalId& journal, Offset first) {
  char bytes[sizeof(journal.bytes) + sizeof(uint64_t)];
  std::memcpy(bytes, journal.bytes.data(), sizeof(journal.bytes));
  store_le(bytes + sizeof(journal.bytes), first.value);
  return crc32c({bytes, sizeof bytes});
}

Result<EntryLayout> layout_of(const ChunkView& chunk, const Routing& routing) {
  if (chunk.records.empty()) return fail(ErrorCode::InvalidArgument, "a chunk without records");
  if (chunk.records.size() > kChunkRecordsMax) {
    return fail(ErrorCode::InvalidArgument, fmt::format("a chunk of {} records; {} is the most",
                                                        chunk.records.size(), kChunkRecordsMax));
  }
  if (chunk.tag.size() > kTagBytesMax) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("a tag of {} bytes; {} is the most", chunk.tag.size(), kTagBytesMax));
  }
  if (routing.marks.size() > kRoutingBytesMax) {
    return fail(ErrorCode::InvalidArgument, "the routing marks of a chunk are over their limit");
  }
  uint64_t body_bytes = 0;
  for (const RecordEntry& record : chunk.records) {
    const uint64_t bytes = uint64_t{record.metadata_size} + record.size;
    if (record.position + bytes > chunk.body.size()) {
      return fail(ErrorCode::InvalidArgument, "a record lies outside its chunk's body");
    }
    body_bytes += bytes;
  }
  if (body_bytes > kChunkBodyBytesMax) {
    return fail(ErrorCode::InvalidArgument, fmt::format("a chunk body of {} bytes; {} is the most",
                                                        body_bytes, kChunkBodyBytesMax));
  }
  EntryLayout layout;
  layout.record_count = static_cast<uint32_t>(chunk.records.size());
  layout.body_bytes = static_cast<uint32_t>(body_bytes);
  layout.route_table = routing.route_table;
  layout.marks_bytes = static_cast<uint32_t>(routing.marks.size());
  layout.tag_bytes = static_cast<uint32_t>(chunk.tag.size());
  layout.compute_entry_bytes();
  return layout;
}

void EntryLayout::compute_entry_bytes() {
  entry_bytes = padded(uint64_t{head_bytes()} + payload_bytes());
}

void EntryEncoder::encode(EntryLayout layout, const ChunkView& chunk, const Routing& routing,
                          std::span<const Receipt> receipts, uint32_t salt) {
  front_.resize(layout.head_bytes() + layout.index_bytes());
  char* const head = front_.data();
  char* const index = head + layout.head_bytes();

  bool contiguous = true;
  uint32_t next = chunk.records.front().position;
  char* slot = index;
  for (const RecordEntry& record : chunk.records) {
    contiguous &= record.position == next;
    next = record.position + record.metadata_size + record.size;
    store_le<int64_t>(slot, record.time.time_since_epoch().count());
    store_le(slot + 8, record.metadata_size | static_cast<uint32_t>(record.severity) << 24);
    store_le(slot + 12, record.size);
    slot += kIndexEntryBytes;
  }
  if (contiguous) {
    body_ = chunk.body.substr(chunk.records.front().position, layout.body_bytes);
  } else {
    compacted_.clear();
    for (const RecordEntry& record : chunk.records) {
      compacted_ += chunk.body.substr(record.position, record.metadata_size + record.size);
    }
    body_ = compacted_;
  }
  layout.payload_crc = crc32c(body_, crc32c({index, layout.index_bytes()}, salt));

  store_le(head, kEntryMagic);
  store_le(head + kBaseAt, layout.base.value);
  store_le(head + kRecordCountAt, layout.record_count);
  store_le(head + kBodyBytesAt, layout.body_bytes);
  store_le<int64_t>(head + kAppendedAtAt, layout.appended_at.time_since_epoch().count());
  store_le(head + kRouteTableAt, layout.route_table);
  store_le(head + kMarksBytesAt, layout.marks_bytes);
  store_le(head + kTagBytesAt, static_cast<uint16_t>(layout.tag_bytes));
  store_le(head + kReceiptsAt, static_cast<uint16_t>(layout.receipts));
  store_le(head + kPayloadCrcAt, layout.payload_crc);
  store_le(head + kEntryBytesAt, layout.entry_bytes);
  std::ranges::copy(chunk.tag, head + kEntryHeadBytes);
  std::ranges::copy(routing.marks, head + kEntryHeadBytes + layout.tag_bytes);
  char* receipt_slot = head + kEntryHeadBytes + layout.tag_bytes + layout.marks_bytes;
  for (const Receipt& receipt : receipts) {
    store_le(receipt_slot, receipt.high);
    store_le(receipt_slot + 8, receipt.low);
    receipt_slot += kReceiptBytes;
  }
  store_le(head + kHeadCrcAt, crc32c({head + kBaseAt, layout.head_bytes() - kBaseAt}, salt));

  static constexpr char kZeros[kEntryAlignment] = {};
  padding_ = {kZeros, layout.entry_bytes - front_.size() - body_.size()};
}

bool has_entry_magic(const char* bytes) { return load_le<uint32_t>(bytes) == kEntryMagic; }

std::optional<EntryLayout> decode_entry_head(std::string_view bytes) {
  if (bytes.size() < kEntryHeadBytes || !has_entry_magic(bytes.data())) return std::nullopt;
  EntryLayout layout;
  layout.base = Offset{load_le<uint64_t>(&bytes[kBaseAt])};
  layout.record_count = load_le<uint32_t>(&bytes[kRecordCountAt]);
  layout.body_bytes = load_le<uint32_t>(&bytes[kBodyBytesAt]);
  layout.appended_at = Timestamp(Nanoseconds(load_le<int64_t>(&bytes[kAppendedAtAt])));
  layout.route_table = load_le<uint64_t>(&bytes[kRouteTableAt]);
  layout.marks_bytes = load_le<uint32_t>(&bytes[kMarksBytesAt]);
  layout.tag_bytes = load_le<uint16_t>(&bytes[kTagBytesAt]);
  layout.receipts = load_le<uint16_t>(&bytes[kReceiptsAt]);
  layout.payload_crc = load_le<uint32_t>(&bytes[kPayloadCrcAt]);
  layout.entry_bytes = load_le<uint32_t>(&bytes[kEntryBytesAt]);
  if (layout.record_count == 0 || layout.record_count > kChunkRecordsMax) return std::nullopt;
  if (layout.body_bytes > kChunkBodyBytesMax) return std::nullopt;
  if (layout.marks_bytes > kRoutingBytesMax) return std::nullopt;
  if (layout.base > kOffsetMax) return std::nullopt;
  const uint64_t bytes_needed = uint64_t{layout.head_bytes()} + layout.payload_bytes();
  if (layout.entry_bytes != padded(bytes_needed)) return std::nullopt;
  return layout;
}

void decode_receipts(std::string_view bytes, std::vector<Receipt>& receipts) {
  for (; bytes.size() >= kReceiptBytes; bytes.remove_prefix(kReceiptBytes)) {
    receipts.push_back({load_le<uint64_t>(bytes.data()), load_le<uint64_t>(bytes.data() + 8)});
  }
}

bool head_crc_matches(std::string_view bytes, uint32_t salt) {
  return load_le<uint32_t>(&bytes[kHeadCrcAt]) == crc32c(bytes.substr(kBaseAt), salt);
}

bool decode_payload(const EntryLayout& layout, std::string_view payload, uint32_t salt,
                    std::vector<RecordEntry>& records) {
  records.clear();
  if (payload.size() != layout.payload_bytes()) return false;
  if (crc32c(payload, salt) != layout.payload_crc) return false;
  records.resize(layout.record_count);
  const char* slot = payload.data();
  uint64_t position = 0;
  for (RecordEntry& record : records) {
    const uint32_t metadata = load_le<uint32_t>(slot + 8);
    record.time = Timestamp(Nanoseconds(load_le<int64_t>(slot)));
    record.position = static_cast<uint32_t>(position);
    record.metadata_size = metadata & 0xffffff;
    record.severity = static_cast<Severity>(metadata >> 24);
    record.size = load_le<uint32_t>(slot + 12);
    position += uint64_t{record.metadata_size} + record.size;
    slot += kIndexEntryBytes;
    if (position > layout.body_bytes) return false;
  }
  return position == layout.body_bytes;
}

std::string segment_file_name(Offset first) {
  return fmt::format("{:020}{}", first.value, kSegmentSuffix);
}

std::optional<Offset> parse_segment_file_name(std::string_view name) {
  if (name.size() != kSegmentDigits + kSegmentSuffix.size() || !name.ends_with(kSegmentSuffix)) {
    return std::nullopt;
  }
  const char* const end = name.data() + kSegmentDigits;
  Offset first;
  const auto [stop, error] = std::from_chars(name.data(), end, first.value);
  if (error != std::errc() || stop != end) return std::nullopt;
  // Leaves offsets to append with, whatever names somebody puts into the directory.
  if (first.value > kOffsetMax.value / 2) return std::nullopt;
  return first;
}

std::string encode_identity(const JournalId& id) {
  std::string bytes(kIdentityBytes, '\0');
  bytes.replace(0, kIdentityMagic.size(), kIdentityMagic);
  std::memcpy(&bytes[kIdentityJournalAt], id.bytes.data(), id.bytes.size());
  store_le(&bytes[kIdentityVersionAt], kJournalFormatVersion);
  store_le(&bytes[kIdentityCrcAt], crc32c({bytes.data(), kIdentityCrcAt}));
  return bytes;
}

Result<JournalId> decode_identity(std::string_view bytes) {
  if (bytes.size() != kIdentityBytes || !bytes.starts_with(kIdentityMagic) ||
      load_le<uint32_t>(&bytes[kIdentityCrcAt]) != crc32c(bytes.substr(0, kIdentityCrcAt))) {
    return fail(ErrorCode::Corrupt, "not an identity file, or damaged");
  }
  if (load_le<uint32_t>(&bytes[kIdentityVersionAt]) > kJournalFormatVersion) {
    return fail(ErrorCode::InvalidArgument, "written by a newer version of noroshi");
  }
  JournalId id;
  std::memcpy(id.bytes.data(), &bytes[kIdentityJournalAt], id.bytes.size());
  return id;
}

}  // namespace noroshi
