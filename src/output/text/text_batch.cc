#include "output/text/text_batch.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace noroshi {

TextBatch::TextBatch(std::string destination, std::shared_ptr<const TextEncoder> encoder)
    : destination_(std::move(destination)),
      encoder_(std::move(encoder)),
      text_(encoder_->opening()) {}

Result<uint32_t> TextBatch::add(const ChunkView& chunk, std::span<const uint32_t> records,
                                std::vector<RejectedRecord>& rejected) {
  CHECK(!closed_, "a record is added to a batch under delivery");
  uint32_t taken = 0;
  for (const uint32_t index : records) {
    if (records_ > 0 && full()) break;
    const RecordEntry& entry = chunk.records[index];
    ++taken;
    if (!encoder_->append(text_, chunk, entry, records_)) {
      rejected.push_back({chunk.offset(index), DropReason::NotEncodable});
      continue;
    }
    if (records_++ == 0 && encoder_->options().format == TextFormat::Csv) {
      column_names_ = encoder_->column_names(chunk.record(entry));
    }
  }
  return taken;
}

Status TextBatch::write_to(int fd, Monotonic deadline, const Clock& clock) {
  if (!closed_) {
    closed_ = true;
    text_ += encoder_->closing();
  }
  while (written_ < text_.size()) {
    const ssize_t count = ::write(fd, text_.data() + written_, text_.size() - written_);
    if (count >= 0) {
      written_ += static_cast<size_t>(count);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return fail_errno(errno, "cannot write");
    const auto left = std::chrono::ceil<Milliseconds>(deadline - clock.monotonic()).count();
    pollfd waiting{fd, POLLOUT, 0};
    if (left <= 0 ||
        ::poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left, INT32_MAX))) == 0) {
      return fail(ErrorCode::Timeout,
                  fmt::format("cannot write: the reader does not read ({} of {} bytes done)",
                              written_, text_.size()));
    }
  }
  return {};
}

}  // namespace noroshi
