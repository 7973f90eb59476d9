// LogBatchContext: what the batches of one output share: options, encoder, and their memory.
//
// Not thread-safe: belongs to the delivery thread of its output.
#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "output/cloudwatch_logs/log_limits.h"
#include "output/cloudwatch_logs/log_message.h"
#include "output/output.h"

namespace noroshi {

// What becomes of a record larger than the service takes.
enum class OversizePolicy {
  Split,       // several records "[part 1/3 of record 4711] …": nothing is lost
  Truncate,    // the beginning, and a marker that says how much is missing
  DeadLetter,  // rejected with DropReason::Oversize
};

// Memory of batches that are closed, for those to come; and the fair share of those that are open.
class LogBatchPool {
 public:
  // Together, all open batches aim to stay below this: with many streams each batch is smaller.
  static constexpr uint64_t kOpenBytesMax = 8 << 20;
  static constexpr uint64_t kShareMin = 64 << 10;

  struct Entry {
    int64_t time_ms;
    Offset offset;
    uint32_t position;       // in the body, of '{'
    uint32_t size;           // up to and with '}'
    uint32_t message_bytes;  // decoded: what the service counts, without overhead
  };
  struct Buffers {
    std::string body;
    std::vector<Entry> entries;
  };

  [[nodiscard]] Buffers take();
  void give_back(Buffers&& buffers);
  // Bytes, as the service counts them, at which an open batch is full.
  [[nodiscard]] uint64_t share() const;

 private:
  static constexpr size_t kKeptMax = 4;
  static constexpr size_t kKeptBytesMax = 3 << 20;

  std::vector<Buffers> free_;
  uint64_t open_ = 0;
};

struct LogBatchOptions {
  std::string component = "output:cloudwatch_logs";  // of log lines
  std::string log_key = {};                          // empty: the whole record
  OversizePolicy oversize = OversizePolicy::Split;
  uint32_t record_bytes_max = log_limits::kRecordBytesMaxDefault;  // overhead included
};

// What the batches of one output share.
struct LogBatchContext {
  // `clock_used` outlives the context.
  LogBatchContext(LogBatchOptions options_used, const Clock& clock_used)
      : options(std::move(options_used)), clock(clock_used), encoder(options.log_key) {}

  const LogBatchOptions options;
  const Clock& clock;
  OutputMetrics* metrics = nullptr;  // null until the output has started

  LogMessageEncoder encoder;
  LogBatchPool pool = {};
  std::string gathered = {};  // the body of a part of a batch; one request is sent at a time
  LogEpisode log_key_missing{Seconds(3600)};  // usually true of every record, or of none
  LogEpisode oversized{};
};

}  // namespace noroshi
