#include "input/tail/change_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace noroshi::tail {

Result<std::unique_ptr<ChangeWatch>> ChangeWatch::open(boost::asio::io_context& loop,
                                                       const std::set<std::string>& directories,
                                                       Told told) {
  const int descriptor = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor < 0) return fail(ErrorCode::Unavailable, std::strerror(errno));
  std::unique_ptr<ChangeWatch> watch(new ChangeWatch(loop, descriptor, std::move(told)));
  for (const std::string& directory : directories) {
    ::inotify_add_watch(descriptor, directory.c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
  }
  watch->wait_for_events();
  return watch;
}

ChangeWatch::ChangeWatch(boost::asio::io_context& loop, int descriptor, Told told)
    : told_(std::move(told)), inotify_(loop, descriptor) {}

Status ChangeWatch::watch(TailedFile& file) {
  file.watch = ::inotify_add_watch(inotify_.native_handle(), file.path().c_str(),
                                   IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF);
  if (file.watch < 0) return fail(ErrorCode::Exhausted, std::strerror(errno));
  watched_[file.watch] = file.id();
  return {};
}

void ChangeWatch::unwatch(TailedFile& file) {
  if (file.watch < 0) return;
  watched_.erase(file.watch);
  ::inotify_rm_watch(inotify_.native_handle(), file.watch);
}

void ChangeWatch::wait_for_events() {
  inotify_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                      [this, still = std::weak_ptr(alive_)](boost::system::error_code error) {
                        if (error || still.expired()) return;
                        read_events();
                        wait_for_events();
                      });
}

void ChangeWatch::read_events() {
  alignas(inotify_event) char events[16 << 10];
  const ssize_t count = ::read(inotify_.native_handle(), events, sizeof events);
  for (ssize_t at = 0; at < count;) {
    const auto& event = *reinterpret_cast<const inotify_event*>(events + at);
    at += static_cast<ssize_t>(sizeof event + event.len);
    const auto found = watched_.find(event.wd);
    if (found == watched_.end()) {
      told_.appeared();  // a directory, or an overflow
      continue;
    }
    told_.changed(found->second, (event.mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB)) != 0);
  }
}

}  // namespace noroshi::tail
