// DatagramServer: the socket of an input that takes datagrams (udp, syslog): every datagram holds
// whole messages. On the ingest thread.
//
// While the sink is full nothing is read: the kernel keeps what its buffer holds and drops the
// rest. UDP's drops are counted by the kernel, and said here.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "base/log.h"
#include "input/input.h"
#include "input/message.h"
#include "input/single_source.h"
#include "net/datagram_socket.h"

namespace noroshi {

class DatagramServer {
 public:
  // `framer` gets one datagram at a time, as a stream that ends with it.
  DatagramServer(boost::asio::io_context& loop, std::unique_ptr<DatagramSocket> socket,
                 std::string name, std::string tag, std::unique_ptr<Framer> framer,
                 MessageReader& reader, ChunkSink& sink, InputMetrics& metrics);
  DatagramServer(const DatagramServer&) = delete;
  DatagramServer& operator=(const DatagramServer&) = delete;

  [[nodiscard]] bool busy() const;
  // Shutdown: takes what the kernel holds.
  void close();

 private:
  void listen();
  void read();
  // False: the sink is full. `more_` says whether the kernel may hold more.
  [[nodiscard]] bool take_waiting();
  void take(const Datagram& datagram);
  void malformed(std::string_view source, std::string_view problem);

  std::unique_ptr<DatagramSocket> socket_;  // null once it is closed
  const std::string log_name_;
  const std::string tag_;
  const std::unique_ptr<Framer> framer_;
  MessageReader& reader_;
  InputMetrics& metrics_;
  SingleSource source_;
  Chunk chunk_;
  std::unique_ptr<char[]> buffer_;
  Monotonic last_read_{};
  bool more_ = false;
  bool closed_ = false;
  LogEpisode log_malformed_, log_lost_, log_errors_;
};

}  // namespace noroshi
