#include "input/tail/change_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace noroshi::tail {

Result<std::unique_ptr<ChangeWatch>> ChangeWatch::open(boost::asio::io_context& loop,
                                                       const std::set<std::string>& directories,
                                                       Told told) {
  const int descriptor = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor < 0) return fail(ErrorCode::Unavailable, std::strerror(errno));
  std::unique_ptr<ChangeWatch> watch(new ChangeWatch(loop, descriptor, std::move(told)));
  for (const std::string& directory : directories) {
    const int number = ::inotify_add_watch(descriptor, directory.c_str(),
                                           IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR);
    if (number >= 0) watch->directories_[number] = directory;
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
  first_names_.clear();
  const ssize_t count = ::read(inotify_.native_handle(), events, sizeof events);
  for (ssize_t at = 0; at < count;) {
    const auto& event = *reinterpret_cast<const inotify_event*>(events + at);
    at += static_cast<ssize_t>(sizeof event + event.len);
    if (const auto directory = directories_.find(event.wd); directory != directories_.end()) {
      tell_of_directory(directory->second, event);
      continue;
    }
    const auto found = watched_.find(event.wd);
    if (found == watched_.end()) {
      told_.appeared("");  // events were lost
      continue;
    }
    told_.changed(found->second, (event.mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB)) != 0);
  }
}

void ChangeWatch::tell_of_directory(const std::string& directory, const inotify_event& event) {
  if (event.len == 0) return;  // the directory itself
  std::string path = event.name;
  if (directory != ".") path = directory + (directory.ends_with('/') ? "" : "/") + path;
  if ((event.mask & IN_MOVED_FROM) != 0) {
    rename_cookie_ = event.cookie;
    renamed_from_ = std::move(path);
  } else if ((event.mask & IN_MOVED_TO) != 0 && event.cookie == rename_cookie_) {
    std::string first = std::exchange(renamed_from_, {});
    if (const auto earlier = first_names_.extract(first)) first = earlier.mapped();
    told_.renamed(first, path);
    first_names_[path] = std::move(first);
    rename_cookie_ = 0;
  } else {
    told_.appeared(path);
  }
}

}  // namespace noroshi::tail
