#include "output/s3/s3_batch.h"

#include <algorithm>

#include "record/record_accessor.h"

namespace noroshi {
namespace {

// Larger blocks compress a little better and cost memory for every open batch (see
// object_compressor.h).
constexpr size_t kBlockBytes = 128 << 10;
constexpr size_t kBlockBytesMin = 4 << 10;

// What one block and the end of an object can take at most.
uint64_t reservation(size_t block_bytes) { return block_bytes + block_bytes / 128 + 4096; }

}  // namespace

S3Batch::S3Batch(std::string key, std::unique_ptr<Spool> spool,
                 std::shared_ptr<S3BatchContext> context)
    : key_(std::move(key)),
      spool_(std::move(spool)),
      context_(std::move(context)),
      block_bytes_(std::clamp<size_t>(context_->total_file_size, kBlockBytesMin, kBlockBytes)) {}

S3Batch::~S3Batch() { forget_upload(); }

void S3Batch::forget_upload() {
  if (progress_.upload) context_->uploads.abandon(*std::move(progress_.upload));
  progress_ = {};
}

Result<uint32_t> S3Batch::add(const ChunkView& chunk, std::span<const uint32_t> records,
                              std::vector<RejectedRecord>& rejected) {
  if (spool_->size() == 0 && block_.empty()) {
    NOROSHI_TRY(spool_->reserve(reservation(block_bytes_)));
  }
  for (size_t i = 0; i < records.size(); ++i) {
    append_line(chunk, records[i], rejected);
    if (block_.size() < block_bytes_) continue;
    NOROSHI_TRY(flush_block());
    if (full()) return static_cast<uint32_t>(i + 1);
  }
  return static_cast<uint32_t>(records.size());
}

void S3Batch::append_line(const ChunkView& chunk, uint32_t index,
                          std::vector<RejectedRecord>& rejected) {
  const RecordEntry& entry = chunk.records[index];
  const std::string_view record = chunk.record(entry);
  if (!context_->log_key.empty()) {
    const size_t before = block_.size();
    if (const auto value = find_key(record, context_->log_key)) {
      if (append_value_text(block_, *value)) {
        block_ += '\n';
        return;
      }
      block_.resize(before);
    } else {
      if (context_->metrics != nullptr) context_->metrics->log_key_missing.add();
      if (const uint64_t times = context_->log_key_missing.admit()) {
        log_warn(context_->component,
                 "{} records have no key \"{}\" (log_key): they are written whole, as JSON", times,
                 context_->log_key);
      }
    }
  }
  if (!write_ndjson_record(block_, context_->lines, entry.time, record)) {
    rejected.push_back({chunk.offset(index), DropReason::NotEncodable});
  }
}

Status S3Batch::flush_block() {
  compressed_.clear();
  context_->compressor->add(block_, object_, compressed_);
  NOROSHI_TRY(spool_->append(compressed_));
  // One huge record must not leave its memory behind.
  if (block_.capacity() > 4 * kBlockBytes) block_ = {};
  if (compressed_.capacity() > 4 * kBlockBytes) compressed_ = {};
  block_.clear();
  compressed_.clear();
  reserve_next();
  return {};
}

// Room for the next block and the end is promised before it is needed, so that a full disk closes a
// batch that can still be delivered instead of spoiling it.
void S3Batch::reserve_next() {
  if (const Status room = spool_->reserve(reservation(block_bytes_)); !room) {
    no_more_room_ = true;
    if (const uint64_t times = context_->spool_crowded.admit()) {
      log_warn(context_->component,
               "{}; the object is sent as it is, smaller than total_file_size ({} times)",
               room.error().message, times);
    }
  }
}

bool S3Batch::full() const {
  const uint64_t bytes_max =
      std::min(context_->total_file_size, context_->spools.batch_bytes_max());
  return no_more_room_ || spool_->size() >= bytes_max ||
         (context_->spools.crowded() && spool_->size() > 0);
}

uint64_t S3Batch::bytes() const {
  if (sealed_ || object_.text_bytes == 0) return spool_->size() + (sealed_ ? 0 : block_.size());
  // The open block will shrink about as the others did.
  return spool_->size() + block_.size() * spool_->size() / object_.text_bytes;
}

Status S3Batch::seal() {
  if (sealed_) return {};
  if (compressed_.empty()) {
    if (!block_.empty()) context_->compressor->add(block_, object_, compressed_);
    context_->compressor->finish(object_, compressed_);
    block_ = {};
  }
  NOROSHI_TRY(spool_->append(compressed_));
  compressed_ = {};
  sealed_ = true;
  return {};
}

}  // namespace noroshi
