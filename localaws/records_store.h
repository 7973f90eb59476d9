// RecordsStore: what Firehose delivery streams and Kinesis data streams took, in order, in one file
// each (`<directory>/records/<service>/<stream>`): a line {"key":…,"time":…,"data":<base64>} for
// each record. Memory holds the position of each line. Nothing is synced: a kill loses nothing that
// was acknowledged.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "localaws/aws_error.h"

namespace noroshi::localaws {

enum class RecordsService { Firehose, Kinesis };
[[nodiscard]] std::string_view to_string(RecordsService service);

struct NewRecord {
  std::string key = {};   // partition key; Firehose: empty
  std::string data = {};  // base64
};

// Thread-safe.
class RecordsStore {
 public:
  static Result<std::unique_ptr<RecordsStore>> open(const std::string& directory,
                                                    const Clock& clock);

  // ResourceInUseException if it exists.
  [[nodiscard]] Answer<void> create(RecordsService service, std::string_view stream);
  [[nodiscard]] Answer<void> remove(RecordsService service, std::string_view stream);
  [[nodiscard]] std::vector<std::string> names(RecordsService service) const;

  // Appends all of them and returns the number of the first. ResourceNotFoundException.
  [[nodiscard]] Answer<uint64_t> append(RecordsService service, std::string_view stream,
                                        const std::vector<NewRecord>& records);
  [[nodiscard]] Answer<uint64_t> count(RecordsService service, std::string_view stream);
  // Lines as in the file from number `from` on; at most `records_max` and about 4 MiB.
  [[nodiscard]] Answer<std::vector<std::string>> read(RecordsService service,
                                                      std::string_view stream, uint64_t from,
                                                      size_t records_max);

 private:
  struct Stream {
    std::string path;
    UniqueFd fd;
    uint64_t end = 0;                 // bytes
    std::vector<uint64_t> positions;  // of each line
  };
  using Key = std::pair<RecordsService, std::string>;

  RecordsStore(std::string directory, const Clock& clock)
      : directory_(std::move(directory)), clock_(clock) {}
  Status load(RecordsService service);
  Status open_stream(RecordsService service, const std::string& name) REQUIRES(mutex_);
  [[nodiscard]] Answer<Stream*> find(RecordsService service, std::string_view name)
      REQUIRES(mutex_);

  const std::string directory_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::map<Key, Stream> streams_ GUARDED_BY(mutex_);
};

}  // namespace noroshi::localaws
