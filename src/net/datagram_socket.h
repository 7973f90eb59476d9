// DatagramSocket: UDP and Unix datagram sockets that receive, on an Asio loop, without blocking.
// As with StreamConnection (net/stream_listener.h) Asio only tells readiness.
//
// On the loop's thread. Destroying it cancels its wait, and removes the file of a Unix socket.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "net/stream_listener.h"

namespace noroshi {

struct Datagram {
  size_t size = 0;
  bool truncated = false;  // it was longer than the buffer
  // "udp://127.0.0.1:40000", "unix:///run/sender.sock", "unix://" for a sender without a name.
  // Valid until the next receive().
  std::string_view source = {};
  // Datagrams the kernel dropped since the last one, because nobody read them in time. UDP only.
  uint32_t lost_before = 0;
};

class DatagramSocket {
 public:
  // `receive_buffer`: bytes asked of the kernel (which gives net.core.rmem_max at most); 0: its
  // own default. Errors as StreamListener's.
  [[nodiscard]] static Result<std::unique_ptr<DatagramSocket>> bind_udp(
      boost::asio::io_context& loop, const std::string& host, uint16_t port, size_t receive_buffer);
  [[nodiscard]] static Result<std::unique_ptr<DatagramSocket>> bind_unix(
      boost::asio::io_context& loop, const UnixListenOptions& options, size_t receive_buffer);
  ~DatagramSocket();
  DatagramSocket(const DatagramSocket&) = delete;
  DatagramSocket& operator=(const DatagramSocket&) = delete;

  // Calls `ready` once when a datagram is there.
  void when_readable(std::function<void()> ready);
  // One recvmsg(2): nullopt when there is nothing now.
  [[nodiscard]] Result<std::optional<Datagram>> receive(std::span<char> into);

  // "0.0.0.0:5170", "[::]:5170", "unix:/run/log.sock".
  [[nodiscard]] const std::string& address() const;

 private:
  struct Impl;
  explicit DatagramSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace noroshi
