// ForwardBatch: records on their way into one PackedForward frame:
//
//   [tag, bin of [time, record] [time, record] …, {"size": n, "chunk": id, "compressed": "gzip",
//   …}]
//
// Records are copied once, from the journal's MessagePack behind a time of ten bytes; nothing is
// decoded. A record with metadata becomes [[time, metadata], record] (Forward v1.5).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "output/forward/forward.h"
#include "output/output.h"
#include "output/s3/object_compressor.h"

namespace noroshi {

// What all batches of an output share.
struct ForwardBatchContext {
  bool time_as_integer = false;
  bool retain_metadata = true;
  bool send_options = false;
  bool acknowledged = false;
  ForwardCompression compression = ForwardCompression::None;
  std::vector<std::pair<std::string, std::string>> extra_options = {};
  std::string source = {};  // of the records: journal and output, for the chunk's id
  std::unique_ptr<ObjectCompressor> compressor = {};
};

class ForwardBatch final : public Batch {
 public:
  // Bytes of entries before compression. Fluent Bit refuses frames above 6 MB, Fluentd's own
  // have 8.
  static constexpr size_t kBytesMax = 1 << 20;

  ForwardBatch(std::string tag, Offset first, std::shared_ptr<ForwardBatchContext> context);

  Result<uint32_t> add(const ChunkView& chunk, std::span<const uint32_t> records,
                       std::vector<RejectedRecord>& rejected) override;
  [[nodiscard]] bool full() const override { return entries_.size() >= kBytesMax; }
  [[nodiscard]] uint64_t bytes() const override { return entries_.size(); }

  // The frame in three pieces; made at the first call, the same for every attempt.
  [[nodiscard]] std::array<std::string_view, 3> frame();
  // The "chunk" option: a function of the records and where they lie in the journal, so that a
  // receiver recognises the same batch also after a restart of ours. Empty: no acknowledgement is
  // asked for.
  [[nodiscard]] const std::string& chunk_id() const { return chunk_id_; }

  // The node that got it once without acknowledging it: the one that can recognise it.
  std::optional<size_t> sent_to = {};

 private:
  void seal();

  std::string tag_;
  Offset first_;
  std::shared_ptr<ForwardBatchContext> context_;
  std::string entries_;
  uint64_t records_ = 0;
  bool sealed_ = false;
  std::string head_, body_, option_;
  std::string chunk_id_;
};

}  // namespace noroshi
