#include "output/forward/forward_batch.h"

#include <openssl/evp.h>

#include <algorithm>

#include "base/check.h"
#include "record/msgpack_encode.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

constexpr char kPair = '\x92';          // array of two
constexpr char kBinary32 = '\xc6';      // bin 32
constexpr size_t kEntryHeadBytes = 12;  // pair, pair with metadata, time
constexpr size_t kChunkIdBytes = 16;    // before base64, as Fluentd's

// Seconds that EventTime can hold and that are no group marker of Fluent Bit's (0xfffffffe and
// 0xffffffff, src/flb_log_event_decoder.c). Receivers close the connection for other times.
constexpr int64_t kSecondsMax = 0xfffffffd;

void append_time(std::string& out, Timestamp time, bool as_integer) {
  const auto since_1970 = time.time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::seconds>(since_1970);
  int64_t seconds = whole.count();
  auto nanoseconds = static_cast<uint32_t>((since_1970 - whole).count());
  if (seconds < 0 || seconds > kSecondsMax) {
    seconds = std::clamp<int64_t>(seconds, 0, kSecondsMax);
    nanoseconds = 0;
  }
  char bytes[10];
  if (as_integer) {
    char* const end = msgpack_encode::put_unsigned(bytes, static_cast<uint64_t>(seconds));
    out.append(bytes, static_cast<size_t>(end - bytes));
    return;
  }
  bytes[0] = '\xd7';  // fixext 8
  bytes[1] = 0;       // type of EventTime
  msgpack_format::store_big_endian(bytes + 2, static_cast<uint32_t>(seconds));
  msgpack_format::store_big_endian(bytes + 6, nanoseconds);
  out.append(bytes, sizeof bytes);
}

std::string make_chunk_id(std::string_view source, Offset first, std::string_view tag,
                          std::string_view entries) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  char position[8];
  msgpack_format::store_big_endian(position, first.value);
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  bool good = context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1;
  for (const std::string_view piece : {source, std::string_view("\0", 1), tag,
                                       std::string_view(position, sizeof position), entries}) {
    good = good && EVP_DigestUpdate(context, piece.data(), piece.size()) == 1;
  }
  good = good && EVP_DigestFinal_ex(context, digest, nullptr) == 1;
  EVP_MD_CTX_free(context);
  CHECK(good, "OpenSSL cannot compute SHA-256");
  unsigned char text[32];
  const int size = EVP_EncodeBlock(text, digest, kChunkIdBytes);
  return {reinterpret_cast<const char*>(text), static_cast<size_t>(size)};
}

}  // namespace

ForwardBatch::ForwardBatch(std::string tag, Offset first,
                           std::shared_ptr<ForwardBatchContext> context)
    : tag_(std::move(tag)), first_(first), context_(std::move(context)) {}

Result<uint32_t> ForwardBatch::add(const ChunkView& chunk, std::span<const uint32_t> records,
                                   std::vector<RejectedRecord>&) {
  CHECK(!sealed_, "nothing is added to a batch that was sent");
  uint32_t taken = 0;
  for (const uint32_t index : records) {
    const RecordEntry& entry = chunk.records[index];
    const bool with_metadata = context_->retain_metadata && entry.metadata_size != 0;
    const size_t size = kEntryHeadBytes + entry.metadata_size + entry.size;
    if (records_ != 0 && entries_.size() + size > kBytesMax) break;
    entries_ += kPair;
    if (with_metadata) entries_ += kPair;
    append_time(entries_, entry.time, context_->time_as_integer);
    if (with_metadata) entries_ += chunk.metadata(entry);
    entries_ += chunk.record(entry);
    ++records_;
    ++taken;
  }
  return taken;
}

std::array<std::string_view, 3> ForwardBatch::frame() {
  if (!sealed_) seal();
  const bool compressed = context_->compression != ForwardCompression::None;
  return {head_, compressed ? body_ : entries_, option_};
}

void ForwardBatch::seal() {
  sealed_ = true;
  ForwardBatchContext& context = *context_;
  if (context.acknowledged) chunk_id_ = make_chunk_id(context.source, first_, tag_, entries_);
  size_t body_bytes = entries_.size();
  if (context.compression != ForwardCompression::None) {
    CompressedObject object;
    context.compressor->add(entries_, object, body_);
    context.compressor->finish(object, body_);
    body_bytes = body_.size();
  }
  const bool with_option = context.send_options || context.acknowledged ||
                           context.compression != ForwardCompression::None ||
                           !context.extra_options.empty();
  MsgpackWriter head(head_);
  head.array_header(with_option ? 3 : 2);
  head.string(tag_);
  char binary_head[5] = {kBinary32};
  CHECK(body_bytes <= UINT32_MAX, "a batch is below 4 GiB");
  msgpack_format::store_big_endian(binary_head + 1, static_cast<uint32_t>(body_bytes));
  head.raw({binary_head, sizeof binary_head});
  if (!with_option) return;

  MsgpackWriter option(option_);
  const size_t map = option.begin_map();
  uint32_t pairs = 2;
  option.string("size"), option.unsigned_integer(records_);
  option.string("fluent_signal"), option.unsigned_integer(0);  // logs
  if (!chunk_id_.empty()) option.string("chunk"), option.string(chunk_id_), ++pairs;
  if (context.compression != ForwardCompression::None) {
    option.string("compressed");
    option.string(context.compression == ForwardCompression::Gzip ? "gzip" : "zstd");
    ++pairs;
  }
  for (const auto& [key, value] : context.extra_options)
    option.string(key), option.string(value), ++pairs;
  option.end_map(map, pairs);
}

}  // namespace noroshi
