// The listeners of a server and the bound on its connections: while there are as many as it takes,
// further ones wait in the kernel's queue. On the ingest thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "metrics/metrics.h"
#include "net/stream_listener.h"

namespace noroshi {

class ListenerGroup {
 public:
  using Accepted = std::function<void(std::unique_ptr<StreamConnection>)>;

  ListenerGroup(size_t connections_max, InputMetrics& metrics, Accepted accepted)
      : connections_max_(connections_max), metrics_(metrics), accepted_(std::move(accepted)) {}

  // Takes connections from `listener` from now on.
  void serve(std::unique_ptr<StreamListener> listener);
  // `open`: connections there are now, with the new one or without the closed one.
  void note_opened(size_t open);
  void note_closed(size_t open);
  // Shutdown: takes at once what the kernel has queued, then nobody any more.
  void close();

 private:
  const size_t connections_max_;
  InputMetrics& metrics_;
  const Accepted accepted_;
  std::vector<std::unique_ptr<StreamListener>> listeners_;
};

}  // namespace noroshi
