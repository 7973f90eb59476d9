// LogBatch: records of one log stream as PutLogEvents requests, encoded while they are added.
//
// The request body grows in place, one `{"timestamp":…,"message":"…"},` per record; delivering a
// batch whose records arrived in order (nearly all) copies nothing. Otherwise, and when only a part
// is sent, the parts are gathered into a second buffer. Buffers come from a LogBatchPool and go
// back to it.
//
// A batch is usually one request. It is several when one huge record was split, or while the one
// bad record of a refused request is being searched (halve()). What is settled stays settled over
// Retry, so nothing that CloudWatch accepted is sent again.
//
// Not thread-safe: one delivery thread owns the context and its batches.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "output/cloudwatch_logs/log_batch_context.h"
#include "output/output.h"

namespace noroshi {

class LogBatch final : public Batch {
 public:
  LogBatch(std::string group, std::string stream, std::shared_ptr<LogBatchContext> context);
  ~LogBatch() override;

  // At most this many bytes of body, escapes included, before a batch is full; one record may
  // exceed it.
  static constexpr size_t kBodyBytesMax = 2 << 20;

  Result<uint32_t> add(const ChunkView& chunk, std::span<const uint32_t> records,
                       std::vector<RejectedRecord>& rejected) override;
  [[nodiscard]] bool full() const override { return full_; }
  [[nodiscard]] uint64_t bytes() const override { return counted_bytes_; }

  [[nodiscard]] const std::string& group() const { return group_; }
  [[nodiscard]] const std::string& stream() const { return stream_; }
  [[nodiscard]] uint64_t record_count() const { return record_count_; }

  // --- For the delivery. After begin_delivery() nothing can be added.

  // Indexes in the order of sending.
  struct Range {
    uint32_t begin = 0;
    uint32_t end = 0;
    [[nodiscard]] uint32_t size() const { return end - begin; }
  };

  // Sorts by time (stable) and plans the requests, once; later calls do nothing.
  void begin_delivery();
  // True when every record was accepted or rejected.
  [[nodiscard]] bool settled() const { return unsettled_.empty(); }
  // The next request to send; not when settled().
  [[nodiscard]] Range next() const { return unsettled_.back(); }
  // The JSON body of next(), valid until the next call on any batch of the context.
  // `sequence_token` is for imitations of CloudWatch that still want one.
  [[nodiscard]] std::string_view next_body(std::string_view sequence_token = {});
  // Plans everything anew and forgets rejections; only while nothing was accepted.
  void start_over();
  // next() was answered; what the answer refused has been given to reject() before.
  void settle_next() { unsettled_.pop_back(); }
  // Sends the two halves of next() in its place. next() has at least two records.
  void halve_next();
  void reject(Range range, DropReason reason);
  // So far, each record once.
  [[nodiscard]] const std::vector<RejectedRecord>& rejected() const { return rejected_; }

 private:
  [[nodiscard]] bool counts_for_span(int64_t time_ms) const;
  [[nodiscard]] bool fits(int64_t time_ms, uint64_t counted_bytes) const;
  void append(int64_t time_ms, Offset offset, std::string_view message);
  void append_split(int64_t time_ms, Offset offset, std::string_view message);

  std::string group_;
  std::string stream_;
  std::shared_ptr<LogBatchContext> context_;
  LogBatchPool::Buffers buffers_;
  size_t header_bytes_ = 0;        // of the body, before the first entry
  size_t entries_end_ = 0;         // in the body, behind the last entry's comma
  uint64_t counted_bytes_ = 0;     // messages and overhead
  uint64_t record_count_ = 0;      // records of the journal: the parts of a split one count once
  int64_t now_ms_ = 0;             // at the last add()
  int64_t oldest_ms_ = INT64_MAX;  // of the records that count for the span
  int64_t newest_ms_ = INT64_MIN;
  bool full_ = false;
  bool in_order_ = true;
  bool delivering_ = false;
  std::vector<Range> unsettled_;  // the last one is next
  std::vector<RejectedRecord> rejected_;
};

// Cuts `text` into parts of at most `bytes_max` bytes (at least 4), never inside a UTF-8 sequence.
[[nodiscard]] std::vector<std::string_view> split_utf8(std::string_view text, size_t bytes_max);

}  // namespace noroshi
