// ChunkCollector: what one read of a socket brought, as one chunk per tag. Docker's driver sends
// one record per frame; here they become one chunk, so that everything after costs per batch.
//
// The chunks' memory is used again and again; what one burst needed beyond kMemoryKept is given
// back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "record/chunk.h"

namespace noroshi {

class ChunkCollector {
 public:
  // A collector with more than this is full: time to hand the chunks on. A chunk of this size stays
  // in the processor's own cache on its way from the socket to the journal: a quarter cheaper than
  // 1 MiB, while 128 KiB wakes the outputs so often that it costs as much as it saves.
  static constexpr size_t kBytesFull = 256 << 10;
  static constexpr size_t kRecordsFull = 16384;
  static constexpr size_t kTagsFull = 256;
  static constexpr size_t kMemoryKept = 2 << 20;
  static_assert(kRecordsFull <= kChunkRecordsMax);

  // The open chunk of `tag`, made if there is none.
  [[nodiscard]] Chunk& chunk_of(std::string_view tag);
  // Called after a record of `bytes` was appended to a chunk.
  void added(size_t bytes) { bytes_ += bytes, ++records_; }
  // True if a record of `bytes` has to wait until the chunks are handed on. Never of an empty
  // collector.
  [[nodiscard]] bool full_for(size_t bytes) const {
    return records_ != 0 &&
           (bytes_ + bytes > kBytesFull || records_ >= kRecordsFull || used_ >= kTagsFull);
  }
  [[nodiscard]] bool empty() const { return used_ == 0; }
  [[nodiscard]] size_t records() const { return records_; }

  // The open chunks in the order of their first record. `hand_on` returns false to keep the chunk
  // it got and everything after it: the next call begins there. True when all are gone.
  template <typename HandOn>
  bool hand_on_all(HandOn&& hand_on) {
    while (next_ < used_) {
      const size_t bytes = chunks_[next_].body.size();
      const size_t records = chunks_[next_].records.size();
      if (!hand_on(chunks_[next_])) return false;
      bytes_ -= bytes;
      records_ -= records;
      chunks_[next_].clear();
      ++next_;
    }
    reset();
    return true;
  }

 private:
  void reset();

  std::deque<Chunk> chunks_;  // [0, used_) are open, the rest are spare memory; never moved
  size_t used_ = 0;
  size_t next_ = 0;  // of hand_on_all()
  size_t last_ = 0;  // chunk_of()'s last answer: most records have the tag of the one before
  size_t bytes_ = 0;
  size_t records_ = 0;
  std::unordered_map<std::string_view, size_t> by_tag_;  // views of the chunks' own tags
};

}  // namespace noroshi
