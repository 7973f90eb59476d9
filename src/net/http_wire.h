// HttpWire: the bytes of one HTTP connection, with or without TLS, for http_server_connection (Asio
// and Beast are heavy: do not include this elsewhere). An AsyncStream of Asio's, whose deadline is
// the socket's: `wire.socket_stream().expires_after(…)` limits what TLS does below as well.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <optional>
#include <utility>

#include "net/tls.h"

namespace noroshi {

class HttpWire {
 public:
  using SocketStream =
      boost::beast::basic_stream<boost::asio::ip::tcp,
                                 boost::asio::strand<boost::asio::io_context::executor_type>>;
  using executor_type = SocketStream::executor_type;
  using TlsStream = boost::asio::ssl::stream<SocketStream&>;

  explicit HttpWire(const boost::asio::io_context::executor_type& executor)
      : stream_(boost::asio::make_strand(executor)) {}

  // Puts TLS over the socket; takes the session. Its handshake comes next.
  void use_tls(SSL* session) { tls_.emplace(stream_, session); }
  [[nodiscard]] std::optional<TlsStream>& tls() { return tls_; }
  [[nodiscard]] SocketStream& socket_stream() { return stream_; }
  [[nodiscard]] SocketStream::socket_type& socket() { return stream_.socket(); }

  [[nodiscard]] executor_type get_executor() { return stream_.get_executor(); }
  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Token>(token));
    return stream_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Token>(token));
    return stream_.async_write_some(buffers, std::forward<Token>(token));
  }

 private:
  SocketStream stream_;
  std::optional<TlsStream> tls_;
};

}  // namespace noroshi
