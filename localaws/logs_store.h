// Log groups, streams and their events on disk; in memory only an index of blocks (logs_file.h), so
// a million events cost kilobytes.
//
//   DIR/logs/<group>/group.json           name, retention, class, tags
//   DIR/logs/<group>/<stream>.json, .log  name; events
//
// An append is in the file before it is answered, and survives the end of the process, not a loss
// of power.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "localaws/aws_error.h"
#include "localaws/logs_file.h"
#include "localaws/uri.h"

namespace noroshi::localaws {

struct LogGroup {
  std::string name = {};
  int64_t created = 0;     // ms, as all times of this API
  int retention_days = 0;  // 0: for ever
  std::string log_class = "STANDARD";
  std::string kms_key = {};
  Parameters tags = {};
  uint64_t bytes = 0, events = 0;
};

struct LogStream {
  std::string name = {};
  int64_t created = 0;
  uint64_t bytes = 0, events = 0;                   // bytes as AWS counts: message + 26
  int64_t first = 0, last = 0, last_ingestion = 0;  // meaningless while events == 0
};

// Events have one order everywhere: time, then stream name, then arrival.
struct EventKey {
  int64_t timestamp = 0;
  std::string stream = {};
  uint64_t position = 0;
  friend auto operator<=>(const EventKey&, const EventKey&) = default;
};

struct LogQuery {
  std::string group = {};
  std::function<bool(std::string_view stream)> wants_stream = {};  // empty: all
  int64_t start = 0;                                               // inclusive
  int64_t end = INT64_MAX;                                         // exclusive
  bool backward = false;                                           // newest first
  std::optional<EventKey> after = {};  // exclusive, in the direction of reading
  size_t events_max = 10'000;
  size_t bytes_max = 1 << 20;       // of messages
  uint64_t scanned_max = 64 << 20;  // bytes looked at before a page ends unfilled
  std::function<bool(std::string_view message)> wants_message = {};  // empty: all
};

struct FoundEvent {
  EventKey key = {};
  int64_t ingestion = 0;
  std::string message = {};
};

struct LogPage {
  std::vector<FoundEvent> events;  // in the direction of reading
  std::optional<EventKey> last;    // last one looked at
  bool complete = true;            // nothing is left in this direction
};

// Thread-safe. Errors carry the API's codes.
class LogsStore {
 public:
  [[nodiscard]] static Result<std::unique_ptr<LogsStore>> open(const std::string& directory,
                                                               const Clock& clock);

  [[nodiscard]] Answer<void> create_group(LogGroup group);
  [[nodiscard]] Answer<void> delete_group(std::string_view group);
  [[nodiscard]] Answer<LogGroup> find_group(std::string_view group) const;
  [[nodiscard]] std::vector<LogGroup> groups() const;  // by name
  // Changes retention and tags; everything else of the group stays.
  [[nodiscard]] Answer<void> update_group(std::string_view group,
                                          const std::function<void(LogGroup&)>& change);

  [[nodiscard]] Answer<void> create_stream(std::string_view group, std::string_view stream);
  [[nodiscard]] Answer<void> delete_stream(std::string_view group, std::string_view stream);
  [[nodiscard]] Answer<LogStream> find_stream(std::string_view group,
                                              std::string_view stream) const;
  [[nodiscard]] Answer<std::vector<LogStream>> streams(std::string_view group) const;  // by name

  // In order of time (the caller has checked), not empty.
  [[nodiscard]] Answer<void> append(std::string_view group, std::string_view stream,
                                    const std::vector<LogEventView>& events);
  // Memory: the page, and the blocks that overlap in time at the place of reading.
  [[nodiscard]] Answer<LogPage> read(const LogQuery& query) const;

 private:
  struct Stream {
    LogStream info;
    std::string path;  // without .json or .log
    uint64_t file_bytes = 0;
    std::vector<LogBlock> blocks;
  };
  struct Group {
    LogGroup info;
    std::string path;
    std::map<std::string, Stream, std::less<>> streams;
  };

  LogsStore(std::string directory, const Clock& clock);
  Status load();
  Status load_stream(Group& group, const std::string& path);
  Answer<const Group*> group_for(std::string_view group) const REQUIRES(mutex_);
  Answer<Group*> group_for(std::string_view group) REQUIRES(mutex_);
  int64_t now() const;

  const std::string directory_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::map<std::string, Group, std::less<>> groups_ GUARDED_BY(mutex_);
};

}  // namespace noroshi::localaws
