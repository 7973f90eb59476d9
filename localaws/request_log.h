// The last requests, for tests and curious users: bounded, oldest first out.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <tuple>

#include "base/clock.h"
#include "base/mutex.h"

namespace noroshi::localaws {

struct RequestEntry {
  Timestamp time = {};
  std::string service = {}, operation = {};
  std::string target = {};      // bucket and key, or empty
  int status = 0;               // 0: no answer was sent
  std::string error = {};       // code
  std::string fault = {};       // action of the fault that hit it
  uint64_t request_bytes = 0;   // body as sent
  uint64_t response_bytes = 0;  // body
  double milliseconds = 0;      // from head to answer, without injected latency
};

// Thread-safe.
class RequestLog {
 public:
  static constexpr size_t kEntriesMax = 1000;

  void add(RequestEntry entry);
  void clear();
  // {"total":…,"counts":[{service,operation,status,count}…],"requests":[newest last]}
  [[nodiscard]] std::string to_json(size_t limit) const;

 private:
  mutable Mutex mutex_;
  std::deque<RequestEntry> entries_ GUARDED_BY(mutex_);
  std::map<std::tuple<std::string, std::string, int>, uint64_t> counts_ GUARDED_BY(mutex_);
  uint64_t total_ GUARDED_BY(mutex_) = 0;
};

}  // namespace noroshi::localaws
