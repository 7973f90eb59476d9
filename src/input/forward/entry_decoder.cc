#include "input/forward/entry_decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "input/forward/extent.h"
#include "record/msgpack_reader.h"

namespace noroshi::forward {
namespace {

using namespace msgpack_format;

constexpr size_t kWindowStart = 64 << 10;
// One record with its metadata, its time and its array heads.
constexpr size_t kWindowMax = kChunkBodyBytesMax + 4096;
constexpr uint32_t kGroupStart =
    0xffffffff;  // Fluent Bit: "seconds" that mark a group of OpenTelemetry
constexpr uint32_t kGroupEnd = 0xfffffffe;  // records (src/flb_log_event_decoder.c), not a time

bool is_map(std::string_view value) {
  if (value.empty()) return false;
  const auto first = static_cast<uint8_t>(value[0]);
  return (first & 0xf0) == kFixMap || first == kMap16 || first == kMap32;
}

struct EntryTime {
  enum class Kind : uint8_t { Time, OutOfRange, GroupMarker, NotATime } kind = Kind::NotATime;
  Timestamp time = {};
};

EntryTime seconds_and_fraction(int64_t seconds, uint32_t nanoseconds) {
  constexpr int64_t kSecondsMax = INT64_MAX / 1'000'000'000 - 1;
  if (seconds > kSecondsMax || seconds < -kSecondsMax) return {EntryTime::Kind::OutOfRange, {}};
  return {EntryTime::Kind::Time, Timestamp(Seconds(seconds)) + Nanoseconds(nanoseconds)};
}

EntryTime event_time(const char* payload) {
  const auto seconds = load_big_endian<uint32_t>(payload);
  const auto nanoseconds = load_big_endian<uint32_t>(payload + 4);
  if (seconds >= kGroupEnd && nanoseconds == 0) return {EntryTime::Kind::GroupMarker, {}};
  return seconds_and_fraction(seconds, nanoseconds);
}
static_assert(kGroupStart > kGroupEnd);

EntryTime time_of(std::string_view value) {
  const auto first = static_cast<uint8_t>(value[0]);
  if (first == kFixExtension8 && value.size() == 10 && value[1] == kEventTime) {  // nearly always
    return event_time(value.data() + 2);
  }
  MsgpackReader reader(value);
  const auto token = reader.next();
  if (!token) return {};
  switch (token->type) {
    case MsgpackType::UnsignedInteger:
      return seconds_and_fraction(
          static_cast<int64_t>(std::min<uint64_t>(token->unsigned_integer, INT64_MAX)), 0);
    case MsgpackType::NegativeInteger:
      return seconds_and_fraction(token->negative_integer, 0);
    case MsgpackType::Float: {
      constexpr double kFloatMax = 9.2e9;  // seconds; Timestamp ends at 9.22e9
      if (!(std::abs(token->number) <= kFloatMax))
        return {EntryTime::Kind::OutOfRange, {}};  // NaN too
      const double whole = std::floor(token->number);
      const auto fraction = static_cast<uint32_t>((token->number - whole) * 1e9);
      return seconds_and_fraction(static_cast<int64_t>(whole), fraction);
    }
    case MsgpackType::Extension:
      if (token->extension_type == kEventTime && token->bytes.size() == kEventTimeBytes) {
        return event_time(token->bytes.data());
      }
      return {};
    default:
      return {};
  }
}

}  // namespace

void EntryDecoder::begin(const Frame& frame, std::string_view tag, std::shared_ptr<PendingAck> ack,
                         uint64_t inflated_bytes_max) {
  frame_ = frame;
  tag_.assign(tag);
  ack_ = std::move(ack);
  done_ = hostile_ = false;
  rest_ = frame.entries;
  window_begin_ = window_end_ = 0;
  inflated_ = 0;
  inflated_max_ = inflated_bytes_max;
  malformed_ = times_replaced_ = 0;
  problem_.clear();
  if (frame.compression != Compression::None) inflater_.begin(frame.compression, frame.entries);
}

void EntryDecoder::bad(std::string_view why) {
  if (malformed_++ == 0) problem_.assign(why);
}

EntryDecoder::Progress EntryDecoder::decode(ChunkCollector& collector) {
  Progress progress = Progress::Done;
  if (!done_) {
    if (frame_.mode == FrameMode::Message) {
      const Step step =
          store(frame_.time, frame_.record, frame_.metadata, frame_.containers, collector);
      if (step == Step::CollectorFull) progress = Progress::CollectorFull;
    } else if (frame_.compression == Compression::None) {
      progress = decode_plain(collector);
    } else {
      progress = decode_compressed(collector);
    }
  }
  if (progress == Progress::Done) {
    done_ = true;
    ack_.reset();
    if (window_size_ > kWindowStart) window_.reset(), window_size_ = 0;
  }
  return progress;
}

EntryDecoder::Progress EntryDecoder::decode_plain(ChunkCollector& collector) {
  while (!rest_.empty()) {
    const Step step = take_entry(rest_, collector);
    if (step == Step::CollectorFull) return Progress::CollectorFull;
    if (step == Step::NeedsMore) bad("its last entry is cut off");
    if (step != Step::Taken) break;
  }
  return Progress::Done;
}

EntryDecoder::Progress EntryDecoder::decode_compressed(ChunkCollector& collector) {
  for (;;) {
    std::string_view bytes(window_.get() + window_begin_, window_end_ - window_begin_);
    Step step = bytes.empty() ? Step::NeedsMore : Step::Taken;
    while (step == Step::Taken && !bytes.empty()) step = take_entry(bytes, collector);
    window_begin_ = window_end_ - bytes.size();
    if (step == Step::CollectorFull) return Progress::CollectorFull;
    if (step == Step::Lost) return Progress::Done;
    if (!refill()) return Progress::Done;
  }
}

bool EntryDecoder::refill() {
  const size_t unread = window_end_ - window_begin_;
  if (window_size_ == 0) {
    window_.reset(new char[kWindowStart]);  // not cleared: it is written before it is read
    window_size_ = kWindowStart;
  } else if (unread == window_size_) {
    // One entry fills the window. Doubling keeps the repeated scans of its beginning cheap.
    if (window_size_ >= kWindowMax) {
      bad("it holds an entry that is larger than 8 MiB");
      return false;
    }
    const size_t larger = std::min(window_size_ * 2, kWindowMax);
    std::unique_ptr<char[]> grown(new char[larger]);
    std::memcpy(grown.get(), window_.get() + window_begin_, unread);
    window_ = std::move(grown);
    window_size_ = larger;
  } else if (window_begin_ != 0) {
    std::memmove(window_.get(), window_.get() + window_begin_, unread);
  }
  window_begin_ = 0;
  window_end_ = unread;
  // The window is filled whole: many tiny gzip members must not mean as many scans of its
  // beginning.
  while (window_end_ < window_size_) {
    const auto count =
        inflater_.read(std::span(window_.get() + window_end_, window_size_ - window_end_));
    if (count && *count != 0) {
      window_end_ += *count;
      inflated_ += *count;
      if (inflated_ <= inflated_max_) continue;
      bad("it expands to more than decompressed_max_size");
      hostile_ = true;
      return false;
    }
    if (window_end_ != unread)
      return true;  // what came before the end or the error is decoded first
    if (!count) {
      bad(count.error().message);
    } else if (unread != 0) {
      bad("its last entry is cut off");
    }
    return false;
  }
  return true;
}

EntryDecoder::Step EntryDecoder::take_entry(std::string_view& bytes, ChunkCollector& collector) {
  if (malformed_ >= kMalformedEntriesMax) {
    hostile_ = true;
    return Step::Lost;
  }
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  const auto lost_or_more = [this](HeadStatus status) {
    if (status == HeadStatus::Truncated) return Step::NeedsMore;
    bad("it holds an invalid MessagePack byte");
    return Step::Lost;
  };
  ValueHead head;
  if (const HeadStatus status = read_head(at, end, head); status != HeadStatus::Ok)
    return lost_or_more(status);
  const auto first = static_cast<uint8_t>(*at);
  const bool is_array = head.container && !is_map(bytes.substr(0, 1));
  if (!is_array || head.children < 2) {  // [time, record] it must be
    const Extent whole = extent_of(at, end);
    if (whole.status != HeadStatus::Ok) return lost_or_more(whole.status);
    bytes.remove_prefix(whole.size);
    bad("an entry is not an array of time and record");
    return Step::Taken;
  }
  const uint64_t elements = head.children;
  at += first == kArray16 ? 3 : first == kArray32 ? 5 : 1;
  if (at > end) return Step::NeedsMore;

  const Extent time = extent_of(at, end);
  if (time.status != HeadStatus::Ok) return lost_or_more(time.status);
  std::string_view time_bytes(at, time.size);
  at += time.size;
  const Extent record = extent_of(at, end);
  if (record.status != HeadStatus::Ok) return lost_or_more(record.status);
  const std::string_view record_bytes(at, record.size);
  at += record.size;
  for (uint64_t n = 2; n < elements; ++n) {  // a later version of the protocol may add some
    const Extent more = extent_of(at, end);
    if (more.status != HeadStatus::Ok) return lost_or_more(more.status);
    at += more.size;
  }

  std::string_view metadata;
  if (time.containers != 0) {  // [[time, {metadata}], record]
    MsgpackReader reader(time_bytes);
    const auto count = reader.read_array();
    if (count && *count >= 1) {
      time_bytes = reader.skip().value_or("");
      if (*count >= 2) metadata = reader.skip().value_or("");
      if (!is_map(metadata)) metadata = {};
    }
  }
  const uint64_t containers = record.containers + time.containers;
  if (store(time_bytes, record_bytes, metadata, containers, collector) == Step::CollectorFull) {
    return Step::CollectorFull;
  }
  bytes.remove_prefix(static_cast<size_t>(at - bytes.data()));
  return Step::Taken;
}

EntryDecoder::Step EntryDecoder::store(std::string_view time_bytes, std::string_view record,
                                       std::string_view metadata, uint64_t containers,
                                       ChunkCollector& collector) {
  if (!is_map(record)) return bad("a record is not a map"), Step::Taken;
  if (time_bytes.empty()) return bad("an entry has no time"), Step::Taken;
  EntryTime time = time_of(time_bytes);
  if (time.kind == EntryTime::Kind::GroupMarker) return Step::Taken;  // carries no record
  if (time.kind == EntryTime::Kind::NotATime) {
    return bad("the time of an entry is neither EventTime nor a number"), Step::Taken;
  }
  if (time.kind == EntryTime::Kind::OutOfRange) {
    time.time = clock_.wall();
    ++times_replaced_;
  }
  // The rest of noroshi walks records with bounded stacks. To know that a record is not too deep,
  // it is nearly always enough to count its containers.
  if (containers > kMsgpackDepthMax &&
      (!validate_msgpack(record) || (!metadata.empty() && !validate_msgpack(metadata)))) {
    return bad("a record is nested more than 100 deep"), Step::Taken;
  }
  if (metadata == "\x80") metadata = {};  // {}: Fluent Bit sends it with every record
  const size_t bytes = record.size() + metadata.size();
  if (bytes > kChunkBodyBytesMax) return bad("a record is larger than 8 MiB"), Step::Taken;
  if (collector.full_for(bytes)) return Step::CollectorFull;

  Chunk& chunk = collector.chunk_of(tag_);
  chunk.append(time.time, record, metadata);
  collector.added(bytes);
  if (ack_ && (chunk.acks.empty() || chunk.acks.back() != ack_)) chunk.acks.push_back(ack_);
  return Step::Taken;
}

}  // namespace noroshi::forward
