// Reads events of several streams in one order, a page at a time: a k-way merge over blocks that
// are opened only when the merge reaches their time.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "localaws/logs_store.h"

namespace noroshi::localaws {

class LogMerge {
 public:
  explicit LogMerge(const LogQuery& query);
  ~LogMerge();

  // False if the file cannot be opened. Blocks outside the query's time are not kept.
  [[nodiscard]] bool add_stream(std::string_view name, const std::string& path,
                                const std::vector<LogBlock>& blocks);
  // Errors: Io, Corrupt.
  [[nodiscard]] Result<LogPage> read();

 private:
  struct Source {
    std::string name;
    UniqueFd file;
  };
  struct Pending {
    LogBlock block;
    const Source* source;
  };
  struct OpenBlock;

  bool in_range(int64_t timestamp) const;
  bool already_read(int64_t timestamp, std::string_view stream, uint64_t position) const;
  Result<std::unique_ptr<OpenBlock>> open_block(const Pending& pending) const;
  bool comes_before(const OpenBlock& a, const OpenBlock& b) const;

  const LogQuery& query_;
  std::deque<Source> sources_;
  std::vector<Pending> pending_;  // in read(): the next one last
};

}  // namespace noroshi::localaws
