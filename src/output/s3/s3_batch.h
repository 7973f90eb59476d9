// S3Batch: records of one group on their way into one object.
//
//   record ─▶ line (NDJSON) ─▶ block of 128 KiB ─▶ compressor ─▶ spool ─▶ sealed ─▶ S3Upload
//
// Memory: one block of text; everything else is in the spool.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "output/output.h"
#include "output/s3/object_checksum.h"
#include "output/s3/object_compressor.h"
#include "output/s3/open_uploads.h"
#include "output/s3/spool.h"
#include "record/json_writer.h"

namespace noroshi {

// What all batches of one output share. One thread.
struct S3BatchContext {
  std::string component = "output:s3";  // of log lines
  NdjsonOptions lines = {};
  std::string log_key = {};  // the value of this key instead of the record; empty: none
  uint64_t total_file_size = 100'000'000;  // bytes as stored in S3 that close an object
  std::unique_ptr<ObjectCompressor> compressor;
  SpoolSpace spools;
  OpenUploads uploads = {};
  OutputMetrics* metrics = nullptr;
  LogEpisode log_key_missing{};
  LogEpisode spool_crowded{};
};

// How far a multipart upload has come; survives Retry.
struct UploadProgress {
  struct Part {
    std::string etag = {};
    std::string checksum = {};  // base64
  };
  std::optional<OpenUpload> upload = {};
  uint64_t part_bytes = 0;
  std::vector<Part> parts = {};  // uploaded, from number 1
};

class S3Batch final : public Batch {
 public:
  S3Batch(std::string key, std::unique_ptr<Spool> spool, std::shared_ptr<S3BatchContext> context);
  ~S3Batch() override;

  [[nodiscard]] Result<uint32_t> add(const ChunkView& chunk, std::span<const uint32_t> records,
                                     std::vector<RejectedRecord>& rejected) override;
  [[nodiscard]] bool full() const override;
  [[nodiscard]] uint64_t bytes() const override;

  // Writes out what is still in memory and ends the object. May be repeated after an error.
  [[nodiscard]] Status seal();

  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const Spool& spool() const { return *spool_; }  // complete once sealed
  [[nodiscard]] UploadProgress& progress() { return progress_; }
  [[nodiscard]] std::optional<RangeDigests>& digests() { return digests_; }  // of the whole object
  [[nodiscard]] OpenUploads& uploads() { return context_->uploads; }
  // Starts the multipart upload over; the old one becomes an orphan.
  void forget_upload();

 private:
  void append_line(const ChunkView& chunk, uint32_t index, std::vector<RejectedRecord>& rejected);
  [[nodiscard]] Status flush_block();
  void reserve_next();

  const std::string key_;
  const std::unique_ptr<Spool> spool_;
  const std::shared_ptr<S3BatchContext> context_;
  const size_t block_bytes_;
  std::string block_;       // lines not yet compressed
  std::string compressed_;  // not yet in the spool
  CompressedObject object_;
  bool no_more_room_ = false;
  bool sealed_ = false;
  UploadProgress progress_;
  std::optional<RangeDigests> digests_;
};

}  // namespace noroshi
