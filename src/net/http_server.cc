// HttpServer on Boost.Asio: the listening socket, on a strand of its own, and the registry of
// connections, which serves stop(), refuse_connections() and the limit, under its mutex. What
// happens on a connection is in http_server_connection.cc.

#include "net/http_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio.hpp>
#include <exception>
#include <thread>
#include <unordered_set>

#include "base/log.h"
#include "base/mutex.h"
#include "base/thread_name.h"
#include "net/http_server_connection.h"

namespace noroshi {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr Milliseconds kAcceptPause{100};  // after EMFILE and its kind

auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

class CollectingExchange final : public HttpExchange {
 public:
  CollectingExchange(ServerRequest request, const HttpFunction& function, size_t limit)
      : request_(std::move(request)), function_(function), limit_(limit) {}

  bool take(std::string_view piece) override {
    if (request_.body.size() + piece.size() > limit_) {
      too_large_ = true;
      return false;
    }
    request_.body.append(piece);
    return true;
  }

  ServerResponse finish() override {
    if (too_large_) {
      return {.status = 413,
              .headers = {{"Content-Type", "text/plain"}},
              .body = fmt::format("the body is larger than {} bytes\n", limit_)};
    }
    return function_(request_);
  }

 private:
  ServerRequest request_;
  const HttpFunction& function_;
  const size_t limit_;
  bool too_large_ = false;
};

}  // namespace

class HttpServer::Implementation {
 public:
  Implementation(HttpServerOptions options, HttpExchangeFactory factory)
      : options_(std::move(options)),
        factory_(std::move(factory)),
        context_(options_.threads),
        acceptor_(asio::make_strand(context_.get_executor())),
        refusal_(acceptor_.get_executor()) {}

  ~Implementation() { stop(Milliseconds(0)); }

  Status start() {
    error_code error;
    const auto address = asio::ip::make_address(options_.address, error);
    if (error) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("\"{}\" is not an IP address to listen on", options_.address));
    }
    endpoint_ = tcp::endpoint(address, options_.port);
    NOROSHI_TRY(listen());
    endpoint_ = acceptor_.local_endpoint(error);  // with the port the system chose
    asio::co_spawn(acceptor_.get_executor(), accept_loop(), asio::detached);
    for (int i = 0; i < std::max(1, options_.threads); ++i) {
      threads_.emplace_back([this] {
        name_this_thread("http");
        context_.run();
      });
    }
    return {};
  }

  uint16_t port() const { return endpoint_.port(); }

  size_t connections() {
    MutexLock lock(mutex_);
    return connections_.size();
  }

  void stop(Milliseconds grace) {
    if (threads_.empty()) return;
    asio::post(acceptor_.get_executor(), [this] {
      stopping_ = true;
      error_code ignored;
      acceptor_.close(ignored);
      refusal_.cancel();
    });
    for_each_connection([](HttpServerConnection& connection) { connection.stop(); });
    const auto deadline = system_clock().monotonic() + grace;
    {
      MutexLock lock(mutex_);
      while (!connections_.empty() && gone_.wait_until(mutex_, deadline)) {
      }
    }
    context_.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    // Their sockets must not outlive the context; coroutines still suspended end with it.
    MutexLock lock(mutex_);
    connections_.clear();
  }

  void refuse_connections(Milliseconds duration, Milliseconds begin_in) {
    auto begin = std::make_shared<asio::steady_timer>(acceptor_.get_executor(), begin_in);
    begin->async_wait([this, begin, duration](error_code) {
      refusal_.expires_after(duration);
      refused_ = true;
      error_code ignored;
      acceptor_.close(ignored);
      for_each_connection([](HttpServerConnection& connection) { connection.reset(); });
    });
  }

 private:
  Status listen() {
    error_code error;
    const auto failed = [&](std::string_view step) {
      const int code = error.value();
      error_code ignored;
      acceptor_.close(ignored);
      return fail_errno(code,
                        fmt::format("cannot {} {}:{}", step, options_.address, endpoint_.port()));
    };
    acceptor_.open(endpoint_.protocol(), error);
    if (error) return failed("open a socket for");
    acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (endpoint_.address().is_v6()) acceptor_.set_option(asio::ip::v6_only(false), error);
    acceptor_.bind(endpoint_, error);
    if (error) return failed("listen on");
    acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return failed("listen on");
    return {};
  }

  // Runs `act` for every connection, each on its strand.
  template <typename Act>
  void for_each_connection(Act act) {
    MutexLock lock(mutex_);
    for (const std::shared_ptr<HttpServerConnection>& connection : connections_) {
      asio::post(connection->get_executor(), [connection, act] { act(*connection); });
    }
  }

  asio::awaitable<void> accept_loop() {
    error_code error;
    while (!stopping_) {
      if (refused_) {
        co_await refusal_.async_wait(into(error));
        if (stopping_) co_return;
        if (error) continue;  // the refusal was prolonged
        refused_ = false;
        if (const Status status = listen(); !status) {
          log_error("http", "{}", status.error().message);
          refused_ = true;
          refusal_.expires_after(kAcceptPause);
        }
        continue;
      }
      tcp::socket socket(context_);
      co_await acceptor_.async_accept(socket, into(error));
      if (stopping_) co_return;
      if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) continue;
      if (error == asio::error::connection_aborted) continue;
      if (error) {
        if (const auto count = accept_episode_.admit()) {
          log_error("http", "cannot accept a connection: {} ({} times)", error.message(), count);
        }
        asio::steady_timer pause(acceptor_.get_executor(), kAcceptPause);
        co_await pause.async_wait(into(error));
        continue;
      }
      admit(std::move(socket));
    }
  }

  void admit(tcp::socket socket) {
    if (connections() >= options_.max_connections) {
      if (const auto count = refused_episode_.admit()) {
        log_warn("http",
                 "{}:{} has as many connections as it takes, {}: further ones are refused with "
                 "503 until one is closed ({} times)",
                 options_.address, endpoint_.port(), options_.max_connections, count);
      }
      if (options_.tls) return;  // an answer would cost a handshake
      static constexpr std::string_view kBusy =
          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
      error_code ignored;
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(kBusy), ignored);
      socket.shutdown(tcp::socket::shutdown_send, ignored);
      return;
    }
    auto connection = std::make_shared<HttpServerConnection>(
        std::move(socket), context_.get_executor(), options_, factory_, failed_handshakes_);
    {
      MutexLock lock(mutex_);
      connections_.insert(connection);
    }
    asio::co_spawn(connection->get_executor(), connection->serve(),
                   [this, connection](std::exception_ptr failure) {
                     log_if_failed(failure);
                     MutexLock lock(mutex_);
                     connections_.erase(connection);
                     if (connections_.empty()) gone_.notify_all();
                   });
  }

  static void log_if_failed(const std::exception_ptr& failure) {
    if (!failure) return;
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& exception) {
      log_error("http", "connection ended by: {}", exception.what());
    }
  }

  const HttpServerOptions options_;
  const HttpExchangeFactory factory_;
  Mutex mutex_;
  ConditionVariable gone_;  // the last connection ended
  std::unordered_set<std::shared_ptr<HttpServerConnection>> connections_ GUARDED_BY(mutex_);
  LogEpisode accept_episode_;
  LogEpisode failed_handshakes_;
  LogEpisode refused_episode_;
  tcp::endpoint endpoint_;
  asio::io_context context_;  // destroyed before what its coroutines use, above
  // On the acceptor's strand, as are the next two.
  tcp::acceptor acceptor_;
  asio::steady_timer refusal_;
  bool stopping_ = false;
  bool refused_ = false;
  std::vector<std::thread> threads_;
};

HttpServer::HttpServer(std::shared_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}

HttpServer::~HttpServer() { stop(Milliseconds(0)); }

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options,
                                                      HttpExchangeFactory factory) {
  auto implementation = std::make_shared<Implementation>(std::move(options), std::move(factory));
  NOROSHI_TRY(implementation->start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(implementation)));
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options,
                                                      HttpFunction handler) {
  const size_t limit = options.max_body_bytes;
  return start(std::move(options),
               HttpExchangeFactory([limit, handler = std::move(handler)](
                                       ServerRequest head) -> std::unique_ptr<HttpExchange> {
                 return std::make_unique<CollectingExchange>(std::move(head), handler, limit);
               }));
}

uint16_t HttpServer::port() const { return implementation_->port(); }
size_t HttpServer::connections() const { return implementation_->connections(); }
void HttpServer::stop(Milliseconds grace) { implementation_->stop(grace); }
void HttpServer::refuse_connections(Milliseconds duration, Milliseconds begin_in) {
  implementation_->refuse_connections(duration, begin_in);
}

}  // namespace noroshi
