// ChangeWatch: inotify on the files of one tail input and on the directories in which a new one may
// appear. It only wakes: what it tells means "look", never what there is to see. On the ingest
// thread; one descriptor, one watch of the kernel per file and directory (its limit may be met).
#pragma once

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
    // A directory may hold a new file, or events were lost.
    std::function<void()> appeared;
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

  const Told told_;
  boost::asio::posix::stream_descriptor inotify_;
  std::map<int, FileId> watched_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace noroshi::tail
