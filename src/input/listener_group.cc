#include "input/listener_group.h"

namespace noroshi {

void ListenerGroup::serve(std::unique_ptr<StreamListener> listener) {
  listeners_.push_back(std::move(listener));
  listeners_.back()->start(accepted_);
}

void ListenerGroup::note_opened(size_t open) {
  metrics_.connections_accepted.add();
  metrics_.connections_open.set(open);
  if (open >= connections_max_) {
    for (const auto& listener : listeners_) listener->pause();
    if (const auto times = log_full_.admit()) {
      log_warn(log_name_,
               "{} connections are open, as many as net.max_connections allows: further ones wait "
               "until one is closed ({} times)",
               open, times);
    }
  }
}

void ListenerGroup::note_closed(size_t open) {
  metrics_.connections_open.set(open);
  if (open < connections_max_) {
    for (const auto& listener : listeners_) listener->resume();
  }
}

void ListenerGroup::close() {
  for (const auto& listener : listeners_) listener->accept_now();
  listeners_.clear();
}

}  // namespace noroshi
