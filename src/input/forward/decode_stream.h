// For tests and fuzz targets: a byte stream through scanner, frame parser and entry decoder as a
// session does it, but without sockets, and given in pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "input/forward/entry_decoder.h"
#include "input/forward/reference_decoder.h"

namespace noroshi::forward {

class StreamDecoder {
 public:
  explicit StreamDecoder(const Clock& clock, uint64_t frame_max = 12 << 20,
                         uint64_t inflated_max = kInflatedBytesMax)
      : decoder_(clock), frame_max_(frame_max), inflated_max_(inflated_max) {}

  void take(std::string_view piece) {
    buffer_ += piece;
    while (!buffer_.empty() && !result.closed) {
      const auto outcome = scanner_.scan(buffer_, frame_max_);
      if (outcome == FrameScanner::Outcome::Incomplete) return;
      if (outcome != FrameScanner::Outcome::Frame) {
        result.closed = true;
        return;
      }
      if (!scanner_.heartbeat()) frame(std::string_view(buffer_).substr(0, scanner_.size()));
      buffer_.erase(0, scanner_.size());
      scanner_.reset();
    }
  }

  ReferenceResult result;

 private:
  void frame(std::string_view bytes) {
    const auto frame = parse_frame(bytes, scanner_);
    if (!frame || frame->signal != 0) {
      ++result.malformed;
      return;
    }
    decoder_.begin(*frame, frame->tag, nullptr, inflated_max_);
    while (decoder_.decode(collector_) == EntryDecoder::Progress::CollectorFull) hand_on();
    hand_on();
    result.malformed += decoder_.malformed();
    if (!frame->ack_id.empty() && decoder_.malformed() == 0)
      result.acks.emplace_back(frame->ack_id);
  }
  void hand_on() {
    (void)collector_.hand_on_all([this](Chunk& chunk) {
      for (const RecordEntry& entry : chunk.records) {
        const ChunkView view = chunk.view();
        result.records.push_back({chunk.tag, entry.time, std::string(view.record(entry)),
                                  std::string(view.metadata(entry))});
      }
      return true;
    });
  }

  std::string buffer_;
  FrameScanner scanner_;
  ChunkCollector collector_;
  EntryDecoder decoder_;
  uint64_t frame_max_;
  uint64_t inflated_max_;
};

inline ReferenceResult decode_stream(std::string_view stream, const Clock& clock) {
  StreamDecoder decoder(clock);
  decoder.take(stream);
  return std::move(decoder.result);
}

}  // namespace noroshi::forward
