// ChangeWatch: inotify on the files of one tail input and on the directories in which a new one may
// appear. It only wakes: what it tells means "look", never what there is to see; but a name that a
// file had for a moment only it can tell. On the ingest thread; one descriptor, one watch of the
// kernel per file and directory (its limit may be met).
#pragma once

#include <sys/inotify.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/result.h"
#include "input/tail/tailed_file.h"

namespace noroshi::tail {

class ChangeWatch {
 public:
  struct Told {
    // A name came up in a directory; empty: some may have, events were lost.
    std::function<void(const std::string& path)> appeared;
    // Within the directories. `from`: the first name, where it was renamed several times at once.
    std::function<void(const std::string& from, const std::string& to)> renamed;
    // Look at the file; `moved`: at its name as well.
    std::function<void(FileId id, bool moved)> changed;
  };
  // `told` is called on the loop, until the watch is destroyed. The message of an error is the
  // system's alone.
  [[nodiscard]] static Result<std::unique_ptr<ChangeWatch>> open(
      boost::asio::io_context& loop, const std::set<std::string>& directories, Told told);

  // The message of an error is the system's alone: no more watches, most often.
  [[nodiscard]] Status watch(TailedFile& file);
  void unwatch(TailedFile& file);

 private:
  ChangeWatch(boost::asio::io_context& loop, int descriptor, Told told);
  void wait_for_events();
  void read_events();
  void tell_of_directory(const std::string& directory, const inotify_event& event);

  const Told told_;
  boost::asio::posix::stream_descriptor inotify_;
  std::map<int, FileId> watched_;
  std::map<int, std::string> directories_;
  // The first half of a rename, whose second half follows: the kernel puts them side by side.
  uint32_t rename_cookie_ = 0;
  std::string renamed_from_;
  std::map<std::string, std::string> first_names_;  // by the newest one; of one batch of events
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace noroshi::tail
