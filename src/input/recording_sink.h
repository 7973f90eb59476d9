// For tests: a ChunkSink that keeps what it gets, and that can be full or broken, or hold acks back
// as a filter does.
#pragma once

#include <string>
#include <vector>

#include "input/input.h"

namespace noroshi {

struct RecordedRecord {
  std::string tag = {};
  Timestamp time = {};
  std::string record = {};
  std::string metadata = {};
  friend bool operator==(const RecordedRecord&, const RecordedRecord&) = default;
};

class RecordingSink final : public ChunkSink {
 public:
  Status ingest(Chunk& chunk, InputMetrics& metrics) override {
    if (paused_ || full_after_ == 0) {
      paused_ = true;
      ++refused;
      return fail(ErrorCode::Exhausted, "the journal is full");
    }
    if (failure_) {
      if (fail_acks) {
        for (const auto& ack : chunk.acks) ack->fail();
      }
      return fail(*failure_, "the disk is broken");
    }
    if (full_after_ > 0) --full_after_;
    ++chunks;
    metrics.records.add(chunk.records.size());
    metrics.bytes.add(chunk.body.size());
    for (const RecordEntry& entry : chunk.records) {
      const ChunkView view = chunk.view();
      records.push_back({chunk.tag, entry.time, std::string(view.record(entry)),
                         std::string(view.metadata(entry))});
    }
    if (hold_acks) held.insert(held.end(), chunk.acks.begin(), chunk.acks.end());
    chunk.clear();
    return {};
  }
  bool paused() const override { return paused_; }
  void when_resumed(std::function<void()> resumed) override {
    resumed_.push_back(std::move(resumed));
  }

  void pause() { paused_ = true; }
  // Takes `chunks` more chunks, then is full.
  void pause_after(int chunk_count) { full_after_ = chunk_count; }
  void resume() {
    paused_ = false;
    full_after_ = -1;
    const auto callbacks = std::move(resumed_);
    resumed_.clear();
    for (const auto& callback : callbacks) callback();
  }
  void break_with(std::optional<ErrorCode> code) { failure_ = code; }

  std::vector<RecordedRecord> records;
  std::vector<std::shared_ptr<PendingAck>> held;
  bool hold_acks = false;
  bool fail_acks = true;
  int chunks = 0;
  int refused = 0;

 private:
  bool paused_ = false;
  int full_after_ = -1;
  std::optional<ErrorCode> failure_;
  std::vector<std::function<void()>> resumed_;
};

}  // namespace noroshi
