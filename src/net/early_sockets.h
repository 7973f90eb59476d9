// Sockets that listen before it is known what will be made of them: while the rest of the
// configuration is fetched over the network, the kernel already queues the clients' connections.
// ECS starts the application once the router runs, not once it listens: who finds no socket loses
// its first lines.
//
// StreamListener::listen_tcp() and listen_unix() take over what is kept here under the same
// address. One store for the process, as its sockets are the process's. Main thread only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace noroshi {

class EarlySockets {
 public:
  [[nodiscard]] static EarlySockets& of_process();

  // Binds, listens and keeps. An address kept already is left alone. Errors: as
  // StreamListener::listen_tcp() and listen_unix().
  [[nodiscard]] Status listen_tcp(const std::string& host, uint16_t port);
  [[nodiscard]] Status listen_unix(const std::string& path);

  // Gives away; an invalid descriptor if none is kept. Another address kept on the same port is
  // closed, because it would be in the way (127.0.0.1:24224 of 0.0.0.0:24224).
  [[nodiscard]] UniqueFd take_tcp(const std::string& host, uint16_t port);
  [[nodiscard]] UniqueFd take_unix(const std::string& path);
  // Closes what nobody took, removing socket files.
  void close_rest();
  [[nodiscard]] size_t size() const { return tcp_.size() + unix_.size(); }

 private:
  struct Address {
    uint16_t port;
    std::string host;
    auto operator<=>(const Address&) const = default;
  };
  std::map<Address, UniqueFd> tcp_;
  std::map<std::string, UniqueFd> unix_;
};

// The sockets themselves: bound and listening, non-blocking, close-on-exec. `backlog` is at least
// kListenBacklogMin.
[[nodiscard]] Result<UniqueFd> open_tcp_listener(const std::string& host, uint16_t port,
                                                 int backlog);
// A stale socket file at the path is replaced; one that somebody listens on is not: Unavailable.
[[nodiscard]] Result<UniqueFd> open_unix_listener(const std::string& path,
                                                  std::optional<uint32_t> permissions, int backlog);

}  // namespace noroshi
