#include "output/cloudwatch_logs/log_batch.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

using log_limits::kOverheadBytes;

// Room for "[part 12/34 of record 18446744073709551615] ".
constexpr size_t kPartMarkerBytes = 64;
// Room for " [truncated: 12345678 of 12345678 bytes are missing]".
constexpr size_t kTruncationMarkerBytes = 64;

constexpr int64_t to_ms(Nanoseconds duration) {
  return std::chrono::duration_cast<Milliseconds>(duration).count();
}

// Milliseconds since 1970, as PutLogEvents takes them: truncated as Fluent Bit does, never
// negative.
int64_t timestamp_ms(Timestamp time) {
  return std::max<int64_t>(0, to_ms(time.time_since_epoch()));
}

// True if `position` is not inside a UTF-8 sequence: text may be cut there.
bool is_boundary(std::string_view text, size_t position) {
  return position >= text.size() || (static_cast<unsigned char>(text[position]) & 0xC0) != 0x80;
}

size_t cut_position(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text.size();
  size_t cut = bytes_max;
  while (cut > 0 && !is_boundary(text, cut)) --cut;
  return cut;
}

}  // namespace

std::vector<std::string_view> split_utf8(std::string_view text, size_t bytes_max) {
  CHECK(bytes_max >= 4, "a part must hold the longest UTF-8 sequence");
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    size_t cut = cut_position(text, bytes_max);
    if (cut == 0) cut = std::min(bytes_max, text.size());  // no UTF-8 at all: cut anywhere
    parts.push_back(text.substr(0, cut));
    text.remove_prefix(cut);
  }
  return parts;
}

// ---- LogBatchPool -------------------------------------------------------------------------------

LogBatchPool::Buffers LogBatchPool::take() {
  ++open_;
  if (free_.empty()) return {};
  Buffers buffers = std::move(free_.back());
  free_.pop_back();
  return buffers;
}

void LogBatchPool::give_back(Buffers&& buffers) {
  --open_;
  if (free_.size() >= kKeptMax || buffers.body.capacity() > kKeptBytesMax) return;
  buffers.body.clear();
  buffers.entries.clear();
  free_.push_back(std::move(buffers));
}

uint64_t LogBatchPool::share() const {
  return std::clamp<uint64_t>(kOpenBytesMax / std::max<uint64_t>(open_, 1), kShareMin,
                              log_limits::kRequestBytesMax);
}

// ---- LogBatch: adding ---------------------------------------------------------------------------

LogBatch::LogBatch(std::string group, std::string stream, std::shared_ptr<LogBatchContext> context)
    : group_(std::move(group)),
      stream_(std::move(stream)),
      context_(std::move(context)),
      buffers_(context_->pool.take()) {
  std::string& body = buffers_.body;
  body = R"({"logGroupName":)";
  write_json_string(body, group_);
  body += R"(,"logStreamName":)";
  write_json_string(body, stream_);
  body += R"(,"logEvents":[)";
  header_bytes_ = entries_end_ = body.size();
}

LogBatch::~LogBatch() { context_->pool.give_back(std::move(buffers_)); }

bool LogBatch::fits(int64_t time_ms, uint64_t counted_bytes) const {
  if (buffers_.entries.empty()) return true;
  if (buffers_.entries.size() >= log_limits::kRequestRecordsMax ||
      counted_bytes_ + counted_bytes > context_->pool.share() || entries_end_ > kBodyBytesMax) {
    return false;
  }
  return !counts_for_span(time_ms) ||
         std::max(newest_ms_, time_ms) - std::min(oldest_ms_, time_ms) <=
             to_ms(log_limits::kRequestSpanMax);
}

bool LogBatch::counts_for_span(int64_t time_ms) const {
  return time_ms >= now_ms_ - to_ms(log_limits::kAgeMax) &&
         time_ms <= now_ms_ + to_ms(log_limits::kAheadMax);
}

void LogBatch::append(int64_t time_ms, Offset offset, std::string_view message) {
  std::string& body = buffers_.body;
  auto& entries = buffers_.entries;
  const size_t position = body.size();
  body += R"({"timestamp":)";
  const fmt::format_int time(time_ms);
  body.append(time.data(), time.size());
  body += R"(,"message":)";
  write_json_string(body, message);
  body += '}';
  if (!entries.empty() && entries.back().time_ms > time_ms) in_order_ = false;
  entries.push_back({time_ms, offset, static_cast<uint32_t>(position),
                     static_cast<uint32_t>(body.size() - position),
                     static_cast<uint32_t>(message.size())});
  body += ',';
  entries_end_ = body.size();
  counted_bytes_ += message.size() + kOverheadBytes;
  if (counts_for_span(time_ms)) {
    oldest_ms_ = std::min(oldest_ms_, time_ms);
    newest_ms_ = std::max(newest_ms_, time_ms);
  }
}

void LogBatch::append_split(int64_t time_ms, Offset offset, std::string_view message) {
  const size_t part_bytes = context_->options.record_bytes_max - kOverheadBytes - kPartMarkerBytes;
  const std::vector<std::string_view> parts = split_utf8(message, part_bytes);
  std::string part;
  for (size_t i = 0; i < parts.size(); ++i) {
    part = fmt::format("[part {}/{} of record {}] ", i + 1, parts.size(), offset.value);
    part += parts[i];
    append(time_ms, offset, part);
  }
}

Result<uint32_t> LogBatch::add(const ChunkView& chunk, std::span<const uint32_t> records,
                               std::vector<RejectedRecord>& rejected) {
  CHECK(!delivering_, "a record is added to a batch under delivery");
  now_ms_ = timestamp_ms(context_->clock.wall());
  OutputMetrics* metrics = context_->metrics;
  uint32_t taken = 0;
  for (const uint32_t index : records) {
    if (full_) break;
    const RecordEntry& entry = chunk.records[index];
    const Offset offset = chunk.offset(index);
    const auto message = context_->encoder.encode(chunk.record(entry));
    if (!message) {
      const bool too_large = message.error().code == ErrorCode::Exhausted;
      rejected.push_back({offset, too_large ? DropReason::Oversize : DropReason::NotEncodable});
      ++taken;
      continue;
    }

    const int64_t time_ms = timestamp_ms(entry.time);
    std::string_view text = message->text;
    std::string truncated;
    if (text.size() + kOverheadBytes > context_->options.record_bytes_max) {
      if (context_->options.oversize == OversizePolicy::DeadLetter) {
        rejected.push_back({offset, DropReason::Oversize});
        ++taken;
        continue;
      }
      if (context_->options.oversize == OversizePolicy::Split) {
        // In a batch of its own: all its parts must settle together.
        full_ = true;
        if (!buffers_.entries.empty()) break;
        append_split(time_ms, offset, text);
        if (metrics != nullptr) metrics->split.add();
      } else {
        const size_t cut = cut_position(
            text, context_->options.record_bytes_max - kOverheadBytes - kTruncationMarkerBytes);
        truncated = fmt::format("{} [truncated: {} of {} bytes are missing]", text.substr(0, cut),
                                text.size() - cut, text.size());
        text = truncated;
      }
      if (const auto times = context_->oversized.admit()) {
        log_warn(context_->options.component,
                 "a record of {} bytes is larger than CloudWatch Logs takes: {} ({} times)",
                 message->text.size(),
                 context_->options.oversize == OversizePolicy::Split ? "split" : "truncated",
                 times);
      }
    }
    if (!full_) {
      if (!fits(time_ms, text.size() + kOverheadBytes)) {
        full_ = true;
        break;
      }
      append(time_ms, offset, text);
      full_ = buffers_.entries.size() >= log_limits::kRequestRecordsMax;
    }
    ++record_count_;
    ++taken;
    if (message->log_key_missing) {
      if (metrics != nullptr) metrics->log_key_missing.add();
      if (const auto times = context_->log_key_missing.admit()) {
        log_warn(context_->options.component,
                 "records without log_key \"{}\" are sent whole as JSON ({} times): a "
                 "filter before may have replaced the key",
                 context_->options.log_key, times);
      }
    }
  }
  return taken;
}

// ---- LogBatch: delivering -----------------------------------------------------------------------

void LogBatch::begin_delivery() {
  if (delivering_) return;
  delivering_ = true;
  if (!in_order_) {
    // Positions grow with arrival: equal times stay in their order.
    std::ranges::sort(buffers_.entries, {}, [](const LogBatchPool::Entry& entry) {
      return std::pair(entry.time_ms, entry.position);
    });
  }
  start_over();
}

void LogBatch::start_over() {
  unsettled_.clear();
  rejected_.clear();
  const auto& entries = buffers_.entries;
  // Only the parts of a split record can need several requests.
  Range range;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < entries.size(); ++i) {
    const uint64_t counted = entries[i].message_bytes + kOverheadBytes;
    if (range.size() > 0 && (bytes + counted > log_limits::kRequestBytesMax ||
                             range.size() >= log_limits::kRequestRecordsMax)) {
      unsettled_.push_back(range);
      range = {i, i};
      bytes = 0;
    }
    range.end = i + 1;
    bytes += counted;
  }
  if (range.size() > 0) unsettled_.push_back(range);
  std::ranges::reverse(unsettled_);
}

std::string_view LogBatch::next_body(std::string_view sequence_token) {
  const Range range = next();
  std::string& body = buffers_.body;
  if (in_order_ && range.size() == buffers_.entries.size() && sequence_token.empty()) {
    // The last comma becomes the closing bracket. Nothing is added to the body any more.
    body.resize(entries_end_ - 1);
    body += "]}";
    return body;
  }
  std::string& gathered = context_->gathered;
  gathered.assign(body, 0, header_bytes_);
  for (uint32_t i = range.begin; i < range.end; ++i) {
    const LogBatchPool::Entry& entry = buffers_.entries[i];
    gathered.append(body, entry.position, entry.size);
    gathered += i + 1 < range.end ? ',' : ']';
  }
  if (!sequence_token.empty()) {
    gathered += R"(,"sequenceToken":)";
    write_json_string(gathered, sequence_token);
  }
  gathered += '}';
  return gathered;
}

void LogBatch::halve_next() {
  const Range range = next();
  CHECK(range.size() >= 2, "one record cannot be halved");
  const uint32_t middle = range.begin + range.size() / 2;
  unsettled_.back() = {middle, range.end};
  unsettled_.push_back({range.begin, middle});
}

void LogBatch::reject(Range range, DropReason reason) {
  for (uint32_t i = range.begin; i < range.end; ++i) {
    const Offset offset = buffers_.entries[i].offset;
    // The parts of a split record lie next to each other.
    if (rejected_.empty() || rejected_.back().offset != offset)
      rejected_.push_back({offset, reason});
  }
}

}  // namespace noroshi
