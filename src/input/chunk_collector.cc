#include "input/chunk_collector.h"

#include "base/check.h"

namespace noroshi {

Chunk& ChunkCollector::chunk_of(std::string_view tag) {
  CHECK(next_ == 0, "chunks are being handed on: nothing can be added");
  if (last_ < used_ && chunks_[last_].tag == tag) return chunks_[last_];
  if (const auto found = by_tag_.find(tag); found != by_tag_.end()) {
    last_ = found->second;
    return chunks_[last_];
  }
  if (used_ == chunks_.size()) chunks_.emplace_back();
  Chunk& chunk = chunks_[used_];
  chunk.tag.assign(tag);
  by_tag_.emplace(chunk.tag, used_);
  last_ = used_++;
  return chunk;
}

void ChunkCollector::reset() {
  by_tag_.clear();
  size_t kept = 0;
  for (Chunk& chunk : chunks_) {
    kept += chunk.body.capacity() + chunk.records.capacity() * sizeof(RecordEntry);
    if (kept > kMemoryKept) chunk = Chunk{};
  }
  used_ = next_ = last_ = bytes_ = records_ = 0;
}

}  // namespace noroshi
