// For tests: a Server on a free port of 127.0.0.1, and the loop it runs on.
#pragma once

#include <memory>

#include "input/forward/server.h"
#include "input/socket_client.h"

namespace noroshi::forward {

class ServerLoop : public InputLoop {
 protected:
  void serve(ServerOptions options) {
    auto listener = StreamListener::listen_tcp(loop_, "127.0.0.1", 0);
    ASSERT_TRUE(listener) << listener.error().message;
    port_ = (*listener)->port();
    server_ = std::make_unique<Server>(loop_, std::move(options), sink_, metrics_);
    server_->serve(*std::move(listener));
  }

  uint16_t port_ = 0;
  std::unique_ptr<Server> server_;
};

}  // namespace noroshi::forward
