// ChunkRewriter: how a filter changes the records of a chunk: they are written anew, in order, into
// a second body, which then takes the place of the first. The old body's memory serves the next
// chunk, so nothing is allocated per chunk after warm-up.
//
//   rewriter.begin(chunk);
//   for (const RecordEntry& entry : chunk.records) {
//     std::string& body = rewriter.begin_record(entry);   // append one MessagePack map to it …
//     rewriter.end_record(entry.time);                    // … or keep(entry), or neither: dropped
//   }
//   rewriter.finish();
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "record/chunk.h"

namespace noroshi {

class ChunkRewriter {
 public:
  // `chunk` must stay as it is until finish().
  void begin(Chunk& chunk) {
    chunk_ = &chunk;
    records_.clear();
    body_.clear();
  }

  // Where the rewritten map of `entry` is to be appended; its metadata is there already.
  std::string& begin_record(const RecordEntry& entry) {
    begin_new_record(chunk_->view().metadata(entry));
    entry_ = &entry;
    return body_;
  }
  // The same for a record that comes from elsewhere and is known to fit into a chunk.
  std::string& begin_new_record(std::string_view metadata) {
    entry_ = nullptr;
    start_ = body_.size();
    body_.append(metadata);
    map_begin_ = body_.size();
    return body_;
  }
  // Where the map begins in the body.
  [[nodiscard]] size_t map_begin() const { return map_begin_; }

  // The map is complete. A record that grew beyond what a chunk may hold stays as it was.
  void end_record(Timestamp time) {
    if (body_.size() - start_ > kChunkBodyBytesMax && entry_ != nullptr) {
      body_.resize(start_);
      return keep(*entry_);
    }
    records_.push_back({time, static_cast<uint32_t>(start_),
                        static_cast<uint32_t>(map_begin_ - start_),
                        static_cast<uint32_t>(body_.size() - map_begin_), Severity::NotInferred});
  }
  // The record that was begun does not exist after all.
  void abandon_record() { body_.resize(start_); }

  void keep(const RecordEntry& entry) {
    const auto position = static_cast<uint32_t>(body_.size());
    body_.append(chunk_->body, entry.position, size_t{entry.metadata_size} + entry.size);
    records_.push_back(entry);
    records_.back().position = position;
  }

  void finish() {
    chunk_->body.swap(body_);
    chunk_->records.swap(records_);
  }

 private:
  Chunk* chunk_ = nullptr;
  const RecordEntry* entry_ = nullptr;  // what the record begun was; null: it is new
  size_t start_ = 0, map_begin_ = 0;
  std::string body_;
  std::vector<RecordEntry> records_;
};

// Leaves the records of `chunk` for which keep(entry) is true, in place, their body contiguous;
// returns how many bytes of body went. Cost: nothing is moved in front of the first record that
// goes.
template <typename Keep>
size_t keep_records_in_place(Chunk& chunk, Keep keep) {
  const size_t bytes_before = chunk.body.size();
  size_t kept = 0, end = 0;
  for (const RecordEntry& entry : chunk.records) {
    if (!keep(entry)) continue;
    const size_t size = size_t{entry.metadata_size} + entry.size;
    if (entry.position != end) {
      std::memmove(chunk.body.data() + end, chunk.body.data() + entry.position, size);
    }
    const RecordEntry copy = entry;
    chunk.records[kept] = copy;
    chunk.records[kept++].position = static_cast<uint32_t>(end);
    end += size;
  }
  chunk.records.resize(kept);
  chunk.body.resize(end);
  return bytes_before - end;
}

}  // namespace noroshi
