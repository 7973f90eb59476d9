// Where a socket of ours is bound: what stream and datagram sockets do alike on the way from a
// configured address to a bound socket. The caller sets its own options between open_socket() and
// bind(), and listens.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/socket_address.h"

namespace noroshi {

struct ListenAddress {
  std::string where = {};      // for messages: "0.0.0.0:24224", "unix:/var/run/fluent.sock"
  int type = 0;                // SOCK_STREAM or SOCK_DGRAM
  std::string unix_path = {};  // empty: an IP address
  SocketAddress address = {};

  // `host`: an IP address, or a name that has one; waits for the name server. InvalidArgument: it
  // has none.
  [[nodiscard]] static Result<ListenAddress> of_host(std::string where, const std::string& host,
                                                     uint16_t port, int type);
  // InvalidArgument: no path a socket can have.
  [[nodiscard]] static Result<ListenAddress> of_path(const std::string& path, int type);

  // Removes a socket that an earlier process has left at the path. InvalidArgument: something else
  // is there. A stream socket that somebody listens on is no leftover: Unavailable. (Whether
  // somebody reads a datagram socket cannot be asked.)
  [[nodiscard]] Status remove_stale_socket() const;
  // Non-blocking, close-on-exec, not yet bound. One for "::" takes IPv4 too.
  [[nodiscard]] Result<UniqueFd> open_socket() const;
  // `permissions` of the file; nullopt: what the umask leaves.
  [[nodiscard]] Status bind(const UniqueFd& socket, std::optional<uint32_t> permissions = {}) const;
  // "cannot listen on WHERE: " and the text of errno.
  [[nodiscard]] std::unexpected<Error> cannot_listen() const;
};

// The file of a bound Unix socket, to be removed with it.
class SocketFile {
 public:
  SocketFile() = default;  // none
  explicit SocketFile(const std::string& path);

  // Empty: there is none.
  [[nodiscard]] const std::string& path() const { return path_; }
  // Unless another process has replaced it meanwhile.
  void remove() const;

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace noroshi
