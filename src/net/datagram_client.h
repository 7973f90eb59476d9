// DatagramClient: UDP to one address, for a thread that may block.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/stream_client.h"

namespace noroshi {

class DatagramClient {
 public:
  // Looks the name up and takes its first address.
  [[nodiscard]] static Result<DatagramClient> connect(const StreamAddress& address,
                                                      Monotonic deadline);
  // One datagram. InvalidArgument: too large for the network, trying again will not help.
  // Unavailable: an earlier one was refused (nobody listens); whether this one was sent is not
  // known.
  [[nodiscard]] Status send(std::string_view datagram, Monotonic deadline);

 private:
  DatagramClient(UniqueFd socket, std::string peer)
      : socket_(std::move(socket)), peer_(std::move(peer)) {}

  UniqueFd socket_;
  std::string peer_;
};

}  // namespace noroshi
