// HttpServerConnection: one accepted connection of an HttpServer, from its first byte to its last:
//
//   (TLS handshake →) wait for a byte (idle_timeout) → head (header_timeout) → body pieces
//   (stall_timeout, min_body_rate) → finish() → delay → answer → again, or close
//
// One coroutine on a strand of its own; all its state is touched there only. A handler that throws
// ends as a 500. Memory: one buffer for the head, one piece of the body; never the body. For
// http_server.cc (Asio and Beast are heavy: do not include this elsewhere).
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <memory>
#include <string>

#include "base/log.h"
#include "net/http_server.h"
#include "net/http_wire.h"

namespace noroshi {

class HttpServerConnection {
 public:
  // Everything referred to outlives the connection: it is the server's, the same for all of them.
  HttpServerConnection(boost::asio::ip::tcp::socket socket,
                       const boost::asio::io_context::executor_type& executor,
                       const HttpServerOptions& options, const HttpExchangeFactory& factory,
                       LogEpisode& failed_handshakes);

  // The strand: everything below is called there.
  [[nodiscard]] HttpWire::executor_type get_executor() { return stream_.get_executor(); }
  // Requests, until either side ends the connection. Once; it outlives the coroutine.
  boost::asio::awaitable<void> serve();
  // The request under way is the last one; without one the connection ends now.
  void stop();
  // RST, at once.
  void reset();

 private:
  using RequestParser = boost::beast::http::request_parser<boost::beast::http::buffer_body>;
  using RequestHead = RequestParser::value_type;
  enum class BodyEnd { Complete, Refused, Lost };
  static constexpr size_t kPieceBytes = 64 * 1024;  // one read of a body

  // What gives a bool says false when the connection is over.
  boost::asio::awaitable<bool> shake_hands();
  boost::asio::awaitable<void> end_tls();
  boost::asio::awaitable<bool> serve_request();
  std::unique_ptr<HttpExchange> begin(const RequestHead& head);
  boost::asio::awaitable<BodyEnd> take_body(RequestParser& parser, HttpExchange& exchange);
  boost::asio::awaitable<BodyEnd> read_body(RequestParser& parser, HttpExchange& exchange);
  boost::asio::awaitable<ServerResponse> answer_of(HttpExchange& exchange, const RequestHead& head);
  boost::asio::awaitable<void> refuse_head(boost::system::error_code error);
  boost::asio::awaitable<void> linger();
  [[nodiscard]] std::string head_of(const ServerResponse& response, uint64_t body_bytes, bool close,
                                    bool http_1_0) const;
  boost::asio::awaitable<bool> send(ServerResponse response, bool is_head_method, bool close,
                                    bool http_1_0);
  template <typename Buffers>
  boost::asio::awaitable<bool> write_all(const Buffers& buffers);
  boost::asio::awaitable<bool> send_file(const FilePart& part, uint64_t bytes);

  const HttpServerOptions& options_;
  const HttpExchangeFactory& factory_;
  LogEpisode& failed_handshakes_;
  HttpWire wire_;                   // read and written
  HttpWire::SocketStream& stream_;  // its deadline and its socket
  std::string peer_ = "unknown";    // "127.0.0.1:40000"
  boost::beast::flat_buffer buffer_;
  std::array<char, kPieceBytes> piece_;
  bool idle_ = true;  // no request under way
  bool stopping_ = false;
};

}  // namespace noroshi
