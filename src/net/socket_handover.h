// SocketHandover: how an address stays bound while a reload replaces who listens on it. Listeners
// offer their socket under its address; while a SocketHandover lives, who wants to listen on an
// offered address gets a second descriptor of the very same socket, with the connections the
// kernel has queued, instead of "address already in use". The old listener then closes its own.
//
// Process-wide, thread-safe. Addresses as messages name them: "0.0.0.0:24224",
// "unix:/var/run/fluent.sock".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace noroshi {

class SocketHandover {
 public:
  SocketHandover();
  ~SocketHandover();
  SocketHandover(const SocketHandover&) = delete;
  SocketHandover& operator=(const SocketHandover&) = delete;

  // For listeners. Nothing without a SocketHandover, or if nobody listens there.
  [[nodiscard]] static std::optional<UniqueFd> take(std::string_view address);
};

// A listener's offer; taken back when it is destroyed.
class OfferedSocket {
 public:
  OfferedSocket(std::string address, int fd);
  ~OfferedSocket();
  OfferedSocket(const OfferedSocket&) = delete;
  OfferedSocket& operator=(const OfferedSocket&) = delete;
  // True if another listener of this process has the same socket: a Unix socket's file stays.
  [[nodiscard]] bool shared() const;

 private:
  const std::string address_;
  const int fd_;
};

}  // namespace noroshi
