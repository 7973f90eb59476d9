// Chunk: records of one tag received together; the unit that filters change, the router marks, the
// journal appends and a cursor reads. Cost is meant to be per chunk, not per record.
//
// The body is one contiguous buffer: for each record its metadata map (usually absent) followed by
// its record map, both MessagePack. The index beside it says where each record lies, so a reader
// can skip one without decoding it.
//
//   body:  {map 0}{map 1}{metadata 2}{map 2}{map 3}…
//   index: (time, position, metadata_size, size, severity) per record
//
// Chunk owns its memory and is built by an input or a filter. ChunkView borrows (from a Chunk or
// from a reader's buffer) and is what filters' inputs, the router and outputs see.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/offset.h"
#include "record/severity.h"

namespace noroshi {

// Body bytes of one chunk at most; an input closes a chunk that would grow past it, and refuses one
// record that alone is larger. Also bounds every reader's buffer.
inline constexpr uint32_t kChunkBodyBytesMax = 8 << 20;
// Records in one chunk at most.
inline constexpr uint32_t kChunkRecordsMax = 65536;

struct RecordEntry {
  Timestamp time = {};
  uint32_t position = 0;       // in the body, of the metadata if there is any, else of the record
  uint32_t metadata_size = 0;  // bytes of the metadata map; 0: none
  uint32_t size = 0;           // bytes of the record map
  Severity severity = Severity::NotInferred;
};

struct ChunkView {
  std::string_view tag = {};
  std::span<const RecordEntry> records = {};
  std::string_view body = {};
  Offset base = {};  // offset of record 0; meaningful once the chunk is in the journal

  [[nodiscard]] std::string_view record(const RecordEntry& entry) const {
    return body.substr(entry.position + entry.metadata_size, entry.size);
  }
  [[nodiscard]] std::string_view metadata(const RecordEntry& entry) const {
    return body.substr(entry.position, entry.metadata_size);
  }
  [[nodiscard]] Offset offset(uint32_t index) const { return base + index; }
};

// Names one acknowledged request for good: a 128-bit hash of what its client will name it again by.
// Stored with the request's last records, so that a repetition is recognised even after a restart.
struct Receipt {
  uint64_t high = 0;
  uint64_t low = 0;
  auto operator<=>(const Receipt&) const = default;
};

// Held by every chunk that carries records of one acknowledged request (Forward's `chunk` option).
// When the last holder lets go, the request is acknowledged, unless one of them failed: then the
// client must repeat. Made by inputs; used on the ingest thread that made it.
class PendingAck {
 public:
  explicit PendingAck(Receipt receipt = {}) : receipt_(receipt) {}
  virtual ~PendingAck() = default;  // acknowledges unless failed()
  void fail() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }
  // All zeros: a repetition cannot be recognised.
  [[nodiscard]] const Receipt& receipt() const { return receipt_; }

 private:
  const Receipt receipt_;
  bool failed_ = false;
};

// Which input a chunk came from: its number in the pipeline. An input's own routes and processors
// (YAML) depend on it.
inline constexpr uint16_t kNoInput = UINT16_MAX;

struct Chunk {
  std::string tag;
  std::vector<RecordEntry> records;
  std::string body;
  std::vector<std::shared_ptr<PendingAck>> acks = {};
  // Set by the pipeline, not by inputs. A filter that holds records keeps it with them; a chunk
  // emitted without one belongs to the input of the chunk being filtered.
  uint16_t input = kNoInput;

  [[nodiscard]] bool empty() const { return records.empty(); }
  [[nodiscard]] ChunkView view() const { return {tag, records, body, {}}; }
  // Copies one record (a MessagePack map) to the end.
  void append(Timestamp time, std::string_view record, std::string_view metadata = {},
              Severity severity = Severity::NotInferred) {
    records.push_back({time, static_cast<uint32_t>(body.size()),
                       static_cast<uint32_t>(metadata.size()), static_cast<uint32_t>(record.size()),
                       severity});
    body.append(metadata).append(record);
  }
  // Keeps the memory for the next use.
  void clear() { tag.clear(), records.clear(), body.clear(), acks.clear(), input = kNoInput; }
};

}  // namespace noroshi
