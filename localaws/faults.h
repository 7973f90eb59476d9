// Faults on request: what to do wrong, to which operations, how often. Set through POST
// /_localaws/faults.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"

namespace noroshi::localaws {

enum class FaultAction {
  None,           // latency only
  Error,          // an error answer, nothing processed
  ErrorIn200,     // status 200 with an <Error> body (CompleteMultipartUpload does that), nothing
                  // processed
  ResetBefore,    // RST, nothing processed
  ResetAfter,     // processed and stored, then RST: the answer is lost
  Garbage,        // 200 with a body that is no answer, nothing processed
  HalfOpen,       // never answers, nothing processed
  HalfOpenAfter,  // processed and stored, never answers
  Truncate,       // processed, half of the answer, then closed
  Partial,        // PutRecords, PutRecordBatch: some of the records are refused
  Refuse,         // the port is closed for duration_ms (every service)
};
[[nodiscard]] std::string_view to_string(FaultAction action);

struct Fault {
  uint64_t id = 0;
  std::string service = "*";          // s3, logs, sts, credentials, firehose, kinesis
  std::string operation = "*";        // PutObject …
  std::string content_encoding = {};  // only requests with this Content-Encoding; empty: all
  FaultAction action = FaultAction::None;
  std::string error = {};  // code, for Error and ErrorIn200
  int status = 0;          // 0: what the service gives that code
  std::string message = {};
  Milliseconds latency{0};
  double share = 0.5;        // Partial: of the records
  double rate = 1;           // share of the matching requests, 0 to 1
  int64_t count = -1;        // how many more times; -1: no limit
  Milliseconds duration{0};  // 0: until deleted
  Monotonic until{};
  uint64_t hits = 0;
};

// Errors: InvalidArgument, naming the member that is wrong.
[[nodiscard]] Result<Fault> parse_fault(std::string_view json);
[[nodiscard]] std::string to_json(const Fault& fault);

// Status of an error code where the fault does not say it.
[[nodiscard]] int usual_status(std::string_view service, std::string_view code);
[[nodiscard]] std::string usual_message(std::string_view code);

// Thread-safe. At most kFaultsMax at a time.
class FaultList {
 public:
  static constexpr size_t kFaultsMax = 100;

  FaultList(const Clock& clock, uint64_t seed) : clock_(clock), random_(seed) {}

  // The new fault's id; Exhausted.
  [[nodiscard]] Result<uint64_t> add(Fault fault);
  void clear();
  [[nodiscard]] bool remove(uint64_t id);
  [[nodiscard]] std::vector<Fault> list();

  struct Chosen {
    Milliseconds latency{0};     // of all matching faults
    std::optional<Fault> fault;  // the first matching one with an action
  };
  // Throws the dice for one request, and counts.
  [[nodiscard]] Chosen choose(std::string_view service, std::string_view operation,
                              std::string_view content_encoding);

 private:
  void expire() REQUIRES(mutex_);

  const Clock& clock_;
  Mutex mutex_;
  std::vector<Fault> faults_ GUARDED_BY(mutex_);
  std::mt19937_64 random_ GUARDED_BY(mutex_);
  uint64_t next_id_ GUARDED_BY(mutex_) = 1;
};

}  // namespace noroshi::localaws
