#include "localaws/logs_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "localaws/data_directory.h"
#include "localaws/hashes.h"

namespace noroshi::localaws {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the files are written as the CPU has them");

constexpr uint32_t kBatchMagic = 0x48435442;  // "BTCH"
constexpr uint32_t kPayloadBytesMax = 4 << 20;
constexpr size_t kEventHeaderBytes = 12;

struct BatchHeader {
  uint32_t magic;
  uint32_t payload_bytes;
  uint32_t events;
  uint32_t crc;
  int64_t ingestion;
};
static_assert(sizeof(BatchHeader) == 24);

uint32_t crc_of(std::string_view bytes) {
  const std::string value = hash(HashAlgorithm::Crc32c, bytes);
  uint32_t out = 0;
  std::memcpy(&out, value.data(), sizeof out);
  return out;
}

template <typename Number>
void append_number(std::string& out, Number value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Splits a batch's payload into blocks of about kBlockBytes.
class BlockBuilder {
 public:
  BlockBuilder(std::vector<LogBlock>& blocks, int64_t ingestion)
      : blocks_(blocks), ingestion_(ingestion) {}

  void add(int64_t timestamp, uint64_t position, uint32_t bytes) {
    const bool fits = open_ && blocks_.back().bytes + bytes <= kBlockBytes;
    if (!fits) {
      blocks_.push_back({timestamp, timestamp, ingestion_, position, 0, 0});
      open_ = true;
    }
    LogBlock& block = blocks_.back();
    block.last = timestamp;
    block.bytes += bytes;
    ++block.events;
  }

 private:
  std::vector<LogBlock>& blocks_;
  const int64_t ingestion_;
  bool open_ = false;
};

ssize_t read_fully(int fd, char* out, size_t bytes, uint64_t position) {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t size = ::pread(fd, out + done, bytes - done, static_cast<off_t>(position + done));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return -1;
    if (size == 0) break;
    done += static_cast<size_t>(size);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace

Status append_batch(int fd, uint64_t& size, const std::vector<LogEventView>& events,
                    int64_t ingestion, std::vector<LogBlock>& blocks) {
  std::string payload;
  std::vector<LogBlock> added;
  BlockBuilder builder(added, ingestion);
  for (const LogEventView& event : events) {
    const uint64_t position = size + sizeof(BatchHeader) + payload.size();
    append_number(payload, event.timestamp);
    append_number(payload, static_cast<uint32_t>(event.message.size()));
    payload.append(event.message);
    builder.add(event.timestamp, position,
                static_cast<uint32_t>(kEventHeaderBytes + event.message.size()));
  }
  const BatchHeader header{kBatchMagic, static_cast<uint32_t>(payload.size()),
                           static_cast<uint32_t>(events.size()), crc_of(payload), ingestion};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += payload;
  if (Status status = write_all(fd, bytes); !status) {
    // What was written of it must not stand in the way of the next batch.
    if (::ftruncate(fd, static_cast<off_t>(size)) != 0) {
      return fail_errno(errno, "cannot cut back a failed append");
    }
    return status;
  }
  size += bytes.size();
  blocks.insert(blocks.end(), added.begin(), added.end());
  return {};
}

Result<LoadedLog> load_log(int fd) {
  LoadedLog log;
  struct stat status{};
  if (::fstat(fd, &status) != 0) return fail_errno(errno, "cannot stat");
  const auto file_bytes = static_cast<uint64_t>(status.st_size);
  std::string magic(kLogFileMagic.size(), '\0');
  if (read_fully(fd, magic.data(), magic.size(), 0) != static_cast<ssize_t>(magic.size()) ||
      magic != kLogFileMagic) {
    return fail(ErrorCode::Corrupt, "not a log stream's file");
  }
  log.size = magic.size();
  std::string payload;
  while (log.size + sizeof(BatchHeader) <= file_bytes) {
    BatchHeader header{};
    if (read_fully(fd, reinterpret_cast<char*>(&header), sizeof header, log.size) !=
        static_cast<ssize_t>(sizeof header)) {
      return fail_errno(errno, "cannot read");
    }
    if (header.magic != kBatchMagic || header.payload_bytes > kPayloadBytesMax ||
        log.size + sizeof header + header.payload_bytes > file_bytes) {
      return log;
    }
    payload.resize(header.payload_bytes);
    if (read_fully(fd, payload.data(), payload.size(), log.size + sizeof header) !=
        static_cast<ssize_t>(payload.size())) {
      return fail_errno(errno, "cannot read");
    }
    if (crc_of(payload) != header.crc) return log;
    const LogBlock whole{
        0, 0, header.ingestion, log.size + sizeof header, header.payload_bytes, header.events};
    std::vector<LogBlock> added;
    BlockBuilder builder(added, header.ingestion);
    const bool sound = for_each_event(whole, payload, [&](const StoredEvent& event) {
      builder.add(event.timestamp, event.position,
                  static_cast<uint32_t>(kEventHeaderBytes + event.message.size()));
    });
    if (!sound) return log;
    log.blocks.insert(log.blocks.end(), added.begin(), added.end());
    log.size += sizeof header + header.payload_bytes;
  }
  return log;
}

bool for_each_event(const LogBlock& block, std::string_view bytes,
                    const std::function<void(const StoredEvent&)>& visit) {
  size_t at = 0;
  uint32_t count = 0;
  while (at < bytes.size()) {
    StoredEvent event{.ingestion = block.ingestion, .position = block.position + at};
    uint32_t size = 0;
    if (bytes.size() - at < kEventHeaderBytes) return false;
    std::memcpy(&event.timestamp, bytes.data() + at, sizeof event.timestamp);
    std::memcpy(&size, bytes.data() + at + sizeof event.timestamp, sizeof size);
    at += kEventHeaderBytes;
    if (size > bytes.size() - at) return false;
    event.message = bytes.substr(at, size);
    at += size;
    ++count;
    visit(event);
  }
  return count == block.events;
}

}  // namespace noroshi::localaws
