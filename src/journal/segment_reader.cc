#include "journal/segment_reader.h"

#include <algorithm>

#include "base/check.h"

namespace noroshi {
namespace {

// While looking for the next entry behind damage, at most so many bytes of would-be heads get their
// CRC computed. Real damage needs next to nothing; a hostile file must not cost minutes.
constexpr uint64_t kResyncCrcBytesMax = 64 << 20;

// Skipping an entry beyond this size saves more reading than one more system call costs.
constexpr uint32_t kSkippedBytesLarge = 8 << 10;

// A buffer that grew beyond this for one large entry is given back.
constexpr uint64_t kBufferKeptBytesMax = 1 << 20;
static_assert(kBufferKeptBytesMax >= kReadAheadBytes);

}  // namespace

// What is buffered from `position` on: at least `size` bytes, but for where `end_position` or the
// file ends.
Result<std::string_view> SegmentReader::view(uint64_t position, uint64_t size,
                                             uint64_t end_position) {
  if (position >= end_position) return std::string_view();
  size = std::min(size, end_position - position);
  if (position < buffer_position_ || position + size > buffer_position_ + buffer_bytes_) {
    const uint64_t wanted =
        std::min(std::max<uint64_t>(size, read_ahead_), end_position - position);
    if (wanted > capacity_ || (capacity_ > kBufferKeptBytesMax && wanted <= kReadAheadBytes)) {
      capacity_ = std::max<uint64_t>(wanted, kReadAheadBytes);
      buffer_ = std::make_unique_for_overwrite<char[]>(capacity_);
    }
    buffer_bytes_ = 0;
    NOROSHI_ASSIGN(buffer_bytes_, file_->read_at(position, {buffer_.get(), wanted}));
    buffer_position_ = position;
  }
  const uint64_t from = position - buffer_position_;
  if (from >= buffer_bytes_) return std::string_view();
  return std::string_view(buffer_.get() + from,
                          std::min(buffer_bytes_ - from, end_position - position));
}

// The verified head at `position`, or nothing.
Result<std::optional<EntryLayout>> SegmentReader::entry_at(uint64_t position, uint64_t end_position,
                                                           Offset end_offset) {
  NOROSHI_ASSIGN(std::string_view bytes, view(position, kEntryHeadBytes, end_position));
  const std::optional<EntryLayout> layout = decode_entry_head(bytes);
  if (!layout) return std::nullopt;
  if (layout->base < expected_ || layout->end() > end_offset) return std::nullopt;
  if (position + layout->entry_bytes > end_position) return std::nullopt;
  NOROSHI_ASSIGN(bytes, view(position, layout->head_bytes(), end_position));
  if (bytes.size() < layout->head_bytes()) return std::nullopt;
  if (!head_crc_matches(bytes.substr(0, layout->head_bytes()), salt_)) return std::nullopt;
  return layout;
}

// The position of the first whole head from `position` on.
Result<std::optional<uint64_t>> SegmentReader::find_entry(uint64_t position, uint64_t end_position,
                                                          Offset end_offset) {
  read_ahead_ = kReadAheadBytes;
  uint64_t crc_bytes = 0;
  while (position + kEntryHeadBytes <= end_position) {
    NOROSHI_ASSIGN(const std::string_view bytes, view(position, kEntryHeadBytes, end_position));
    if (bytes.size() < kEntryHeadBytes) return std::nullopt;
    uint64_t step = 0;
    for (; step + kEntryHeadBytes <= bytes.size(); step += kEntryAlignment) {
      if (has_entry_magic(bytes.data() + step)) break;
    }
    position += step;
    if (step + kEntryHeadBytes > bytes.size()) continue;
    NOROSHI_ASSIGN(const auto layout, entry_at(position, end_position, end_offset));
    if (layout) return position;
    NOROSHI_ASSIGN(const std::string_view head, view(position, kEntryHeadBytes, end_position));
    if (const auto claimed = decode_entry_head(head)) crc_bytes += claimed->head_bytes();
    if (crc_bytes > kResyncCrcBytesMax) return std::nullopt;
    position += kEntryAlignment;
  }
  return std::nullopt;
}

Result<SegmentReader::Step> SegmentReader::next(uint64_t end_position, Offset end_offset,
                                                EntryHead& head) {
  if (!loaded_) {
    // The last body was not wanted. Where bodies are large, read heads alone from now on.
    read_ahead_ = layout_.entry_bytes > kSkippedBytesLarge ? kHeadReadAheadBytes : kReadAheadBytes;
    loaded_ = true;
  }
  if (expected_ >= end_offset) return Step::End;
  NOROSHI_ASSIGN(std::optional<EntryLayout> layout, entry_at(position_, end_position, end_offset));
  if (!layout) {
    NOROSHI_ASSIGN(const auto found,
                   find_entry(position_ + kEntryAlignment, end_position, end_offset));
    if (!found) return Step::End;
    position_ = *found;
    NOROSHI_ASSIGN(layout, entry_at(position_, end_position, end_offset));
    if (!layout) return Step::End;  // the file changed under us
  }
  if (layout->base > expected_) {
    gap_begin_ = expected_;
    expected_ = layout->base;
    return Step::Gap;
  }
  NOROSHI_ASSIGN(const std::string_view bytes, view(position_, layout->head_bytes(), end_position));
  if (bytes.size() < layout->head_bytes()) return Step::End;
  head_copy_.assign(bytes.substr(kEntryHeadBytes, layout->head_bytes() - kEntryHeadBytes));
  const std::string_view copy = head_copy_;
  head = {.base = layout->base,
          .record_count = layout->record_count,
          .body_bytes = layout->body_bytes,
          .appended_at = layout->appended_at,
          .routing = {layout->route_table, copy.substr(layout->tag_bytes, layout->marks_bytes)},
          .tag = copy.substr(0, layout->tag_bytes),
          .receipts = copy.substr(layout->tag_bytes + layout->marks_bytes)};
  layout_ = *layout;
  end_position_ = end_position;
  entry_position_ = position_;
  position_ += layout->entry_bytes;
  expected_ = layout->end();
  loaded_ = false;
  return Step::Entry;
}

Result<bool> SegmentReader::load(ChunkView& chunk) {
  CHECK(!loaded_, "load() follows next(), once");
  read_ahead_ = kReadAheadBytes;
  const uint64_t begin = entry_position_ + layout_.head_bytes();
  NOROSHI_ASSIGN(std::string_view payload, view(begin, layout_.payload_bytes(), end_position_));
  payload = payload.substr(0, layout_.payload_bytes());
  if (!decode_payload(layout_, payload, salt_, records_)) return false;
  loaded_ = true;
  chunk = {.tag = std::string_view(head_copy_).substr(0, layout_.tag_bytes),
           .records = records_,
           .body = payload.substr(layout_.index_bytes()),
           .base = layout_.base};
  return true;
}

}  // namespace noroshi
