// The listeners of a server and the bound on its connections: while there are as many as it takes,
// further ones wait in the kernel's queue. On the ingest thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "metrics/metrics.h"
#include "net/stream_listener.h"

namespace noroshi {

class ListenerGroup {
 public:
  using Accepted = std::function<void(std::unique_ptr<StreamConnection>)>;

  // `log_name`: of the input, for the line that says that the bound is reached.
  ListenerGroup(size_t connections_max, std::string log_name, InputMetrics& metrics,
                Accepted accepted)
      : connections_max_(connections_max),
        log_name_(std::move(log_name)),
        metrics_(metrics),
        accepted_(std::move(accepted)) {}

  // Takes connections from `listener` from now on.
  void serve(std::unique_ptr<StreamListener> listener);
  // `open`: connections there are now, with the new one or without the closed one.
  void note_opened(size_t open);
  void note_closed(size_t open);
  // Shutdown: takes at once what the kernel has queued, then nobody any more.
  void close();

 private:
  const size_t connections_max_;
  const std::string log_name_;
  InputMetrics& metrics_;
  const Accepted accepted_;
  std::vector<std::unique_ptr<StreamListener>> listeners_;
  LogEpisode log_full_;
};

}  // namespace noroshi
