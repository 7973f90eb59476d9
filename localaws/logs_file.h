// The file of one log stream: batches, append-only, each whole or not there.
//
//   file    = "NOROSHILOG1\n" batch*
//   batch   = magic u32 "BTCH" | payload_bytes u32 | events u32 | crc32c u32 of payload | ingestion
//   i64 | payload payload = events × ( timestamp i64 | bytes u32 | message ) all little-endian
//
// Events of a batch are in order of time (PutLogEvents demands it); batches may overlap. A torn
// batch at the end (the process was killed) is cut when the file is opened.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace noroshi::localaws {

struct LogEventView {
  int64_t timestamp = 0;  // ms since 1970
  std::string_view message = {};
};

// A run of events of one batch, in order of time and at most about kBlockBytes long (one event may
// be longer): the unit of the index in memory, 40 bytes each.
struct LogBlock {
  int64_t first = 0, last = 0;  // timestamps
  int64_t ingestion = 0;
  uint64_t position = 0;  // in the file, of the first event
  uint32_t bytes = 0;
  uint32_t events = 0;
};
inline constexpr uint32_t kBlockBytes = 16 << 10;

inline constexpr std::string_view kLogFileMagic = "NOROSHILOG1\n";

// Appends the batch to the file at its end (`size`, advanced) and its blocks to `blocks`.
[[nodiscard]] Status append_batch(int fd, uint64_t& size, const std::vector<LogEventView>& events,
                                  int64_t ingestion, std::vector<LogBlock>& blocks);

struct LoadedLog {
  uint64_t size = 0;  // of what is whole
  std::vector<LogBlock> blocks;
};
// Reads a file's batches; on the first that is torn or damaged it stops, and `size` is where.
// Memory: one batch.
[[nodiscard]] Result<LoadedLog> load_log(int fd);

// An event inside a block that was read back. `position` names it for ever: its place in the file.
struct StoredEvent {
  int64_t timestamp = 0;
  int64_t ingestion = 0;
  uint64_t position = 0;
  std::string_view message = {};
};
// Calls for each event of the bytes read at `block.position`; false if they do not follow the
// format.
[[nodiscard]] bool for_each_event(const LogBlock& block, std::string_view bytes,
                                  const std::function<void(const StoredEvent&)>& visit);

}  // namespace noroshi::localaws
