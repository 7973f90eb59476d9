// HttpServer on Boost.Asio and Beast. Every connection is one coroutine on a strand of its own:
//
//   (TLS handshake →) wait for a byte (idle_timeout) → head (header_timeout) → body pieces
//   (stall_timeout, min_body_rate) → finish() → delay → answer → again, or close
//
// The parser is Beast's; answers are written by hand: head and body leave in one gathered write.
// All state of a connection is touched on its strand only; the registry of connections, under its
// mutex, serves stop(), refuse_connections() and the limit. Beast and Asio report errors as codes
// here; exceptions of a handler end as a 500.

#include "net/http_server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <ctime>
#include <exception>
#include <thread>
#include <unordered_set>

#include "base/log.h"
#include "base/mutex.h"
#include "net/http_wire.h"

namespace noroshi {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kPieceBytes = 64 * 1024;  // one read of a body
constexpr size_t kFilePieceBytes = 256 * 1024;
constexpr Seconds kLingerTime{2};  // the client may still be sending what we refused to read
constexpr Milliseconds kAcceptPause{100};  // after EMFILE and its kind
constexpr Seconds kNeverLimit{3600};       // Sending::Never ends too

auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

std::string_view reason_phrase(int status) {
  const auto text = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
  return {text.data(), text.size()};
}

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 40> text{};
  const size_t size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), size};
}

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

struct Connection {
  explicit Connection(tcp::socket socket, const asio::io_context::executor_type& executor)
      : wire(executor), stream(wire.socket_stream()) {
    error_code ignored;
    const auto protocol = socket.local_endpoint(ignored).protocol();
    stream.socket().assign(protocol, socket.release(ignored), ignored);
    stream.socket().set_option(tcp::no_delay(true), ignored);
  }

  HttpWire wire;                   // read and written
  HttpWire::SocketStream& stream;  // its deadline and its socket
  beast::flat_buffer buffer;
  std::array<char, kPieceBytes> piece;
  bool idle = true;       // no request under way; on the strand
  bool stopping = false;  // on the strand

  void reset() {
    error_code ignored;
    stream.socket().set_option(asio::socket_base::linger(true, 0), ignored);
    stream.socket().close(ignored);
  }
};

// An answer that has not come yet. Touched on its connection's strand only.
struct PendingAnswer {
  explicit PendingAnswer(const HttpWire::executor_type& executor)
      : wake(executor, asio::steady_timer::time_point::max()) {}
  asio::steady_timer wake;
  std::optional<ServerResponse> response;
};

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
      threads_.emplace_back([this] { context_.run(); });
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
    for_each_connection([](Connection& connection) {
      connection.stopping = true;
      if (connection.idle) connection.stream.cancel();
    });
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
      for_each_connection([](Connection& connection) { connection.reset(); });
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
    for (const std::shared_ptr<Connection>& connection : connections_) {
      asio::post(connection->stream.get_executor(), [connection, act] { act(*connection); });
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
      if (options_.tls) return;  // an answer would cost a handshake
      static constexpr std::string_view kBusy =
          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
      error_code ignored;
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(kBusy), ignored);
      socket.shutdown(tcp::socket::shutdown_send, ignored);
      return;
    }
    auto connection = std::make_shared<Connection>(std::move(socket), context_.get_executor());
    {
      MutexLock lock(mutex_);
      connections_.insert(connection);
    }
    asio::co_spawn(connection->stream.get_executor(), serve(connection),
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

  // Requests of one connection, until either side ends it.
  asio::awaitable<void> serve(std::shared_ptr<Connection> connection) {
    HttpWire::SocketStream& stream = connection->stream;
    error_code error;
    const auto endpoint = stream.socket().remote_endpoint(error);
    const std::string peer =
        error ? std::string("unknown")
              : fmt::format("{}:{}", endpoint.address().to_string(), endpoint.port());
    connection->buffer.max_size(options_.max_header_bytes + kPieceBytes);
    Seconds patience = options_.header_timeout;
    if (options_.tls && !co_await shake_hands(*connection, peer)) co_return;
    while (!connection->stopping) {
      if (connection->buffer.size() == 0) {
        stream.expires_after(patience);
        const size_t size = co_await connection->wire.async_read_some(
            connection->buffer.prepare(4096), into(error));
        if (error) co_return;
        connection->buffer.commit(size);
      }
      connection->idle = false;
      if (!co_await serve_request(*connection, peer)) co_return;
      connection->idle = true;
      patience = options_.idle_timeout;
    }
  }

  // False: the connection is over.
  asio::awaitable<bool> shake_hands(Connection& connection, const std::string& peer) {
    auto session = options_.tls->new_session();
    if (!session) {
      log_error("http", "{}", session.error().message);
      co_return false;
    }
    connection.wire.use_tls(*session);
    error_code error;
    connection.stream.expires_after(options_.header_timeout);
    co_await connection.wire.tls()->async_handshake(asio::ssl::stream_base::server, into(error));
    if (!error) co_return true;
    if (const auto count = handshake_episode_.admit()) {
      log_warn("http", "connection {} is closed: the TLS handshake failed: {} ({} times)", peer,
               error.message(), count);
    }
    co_return false;
  }

  // Says goodbye, so that the client knows the answer is whole.
  asio::awaitable<void> end_tls(Connection& connection) {
    if (!connection.wire.tls()) co_return;
    error_code ignored;
    connection.stream.expires_after(kLingerTime);
    co_await connection.wire.tls()->async_shutdown(into(ignored));
  }

  // False: the connection is over.
  asio::awaitable<bool> serve_request(Connection& connection, const std::string& peer) {
    http::request_parser<http::buffer_body> parser;
    parser.header_limit(static_cast<uint32_t>(options_.max_header_bytes));
    parser.body_limit(boost::none);
    error_code error;
    connection.stream.expires_after(options_.header_timeout);
    co_await http::async_read_header(connection.wire, connection.buffer, parser, into(error));
    if (error) {
      co_await refuse_head(connection, error);
      co_return false;
    }
    const auto& head = parser.get();
    const bool is_head_method = head.method() == http::verb::head;
    const bool http_1_0 = head.version() == 10;
    const bool continue_expected = beast::iequals(head[http::field::expect], "100-continue");
    const std::unique_ptr<HttpExchange> exchange = begin(head, peer);
    if (!exchange) {
      co_await send(connection, {.status = 500, .close = true}, is_head_method, true, false);
      co_return false;
    }

    bool rest_unread = false;
    if (!parser.is_done()) {
      if (!guarded_bool([&] { return exchange->wants_body(); })) {
        rest_unread = true;
      } else {
        if (continue_expected && connection.buffer.size() == 0) {
          static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
          connection.stream.expires_after(options_.stall_timeout);
          co_await asio::async_write(connection.wire, asio::buffer(kContinue), into(error));
          if (error) co_return false;
        }
        const BodyEnd end = co_await read_body(connection, parser, *exchange);
        if (end == BodyEnd::Lost) co_return false;
        rest_unread = end == BodyEnd::Refused;
      }
    }

    const auto pending = std::make_shared<PendingAnswer>(connection.stream.get_executor());
    try {
      exchange->finish_later([pending](ServerResponse given) {
        asio::dispatch(pending->wake.get_executor(), [pending, given = std::move(given)]() mutable {
          if (!pending->response) pending->response = std::move(given);
          pending->wake.cancel();
        });
      });
    } catch (const std::exception& exception) {
      log_error("http", "{} {}: {}", std::string_view(head.method_string()),
                std::string_view(head.target()), exception.what());
      pending->response = ServerResponse{.status = 500, .close = true};
    }
    // All of it happens on the connection's strand: nothing comes between the look and the wait.
    if (!pending->response) {
      connection.stream.expires_never();
      co_await pending->wake.async_wait(into(error));
    }
    ServerResponse response = pending->response ? *std::move(pending->response)
                                                : ServerResponse{.status = 500, .close = true};
    const bool close = response.close || rest_unread || connection.stopping || !parser.keep_alive();
    if (!co_await send(connection, std::move(response), is_head_method, close, http_1_0)) {
      co_return false;
    }
    if (!close) co_return true;
    co_await end_tls(connection);
    if (rest_unread) co_await linger(connection);
    connection.stream.socket().shutdown(tcp::socket::shutdown_both, error);
    co_return false;
  }

  template <typename Head>
  std::unique_ptr<HttpExchange> begin(const Head& head, const std::string& peer) {
    ServerRequest request;
    request.method = std::string(head.method_string());
    request.target = std::string(head.target());
    request.peer = peer;
    for (const auto& field : head) {
      request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
    }
    try {
      return factory_(std::move(request));
    } catch (const std::exception& exception) {
      log_error("http", "{} {}: {}", std::string_view(head.method_string()),
                std::string_view(head.target()), exception.what());
      return nullptr;
    }
  }

  template <typename Question>
  static bool guarded_bool(Question question) {
    try {
      return question();
    } catch (const std::exception& exception) {
      log_error("http", "a body could not be taken: {}", exception.what());
      return false;
    }
  }

  enum class BodyEnd { Complete, Refused, Lost };

  template <typename Parser>
  asio::awaitable<BodyEnd> read_body(Connection& connection, Parser& parser,
                                     HttpExchange& exchange) {
    error_code error;
    uint64_t received = 0;
    const Monotonic start = system_clock().monotonic();
    while (!parser.is_done()) {
      parser.get().body().data = connection.piece.data();
      parser.get().body().size = connection.piece.size();
      // A client that trickles bytes must still reach the average rate.
      const Nanoseconds allowed =
          options_.stall_timeout + Milliseconds(received * 1000 / options_.min_body_rate);
      const Nanoseconds left = start + allowed - system_clock().monotonic();
      if (left <= Nanoseconds(0)) co_return BodyEnd::Lost;
      connection.stream.expires_after(std::min<Nanoseconds>(left, options_.stall_timeout));
      co_await http::async_read_some(connection.wire, connection.buffer, parser, into(error));
      if (error == http::error::need_buffer) error = {};
      const size_t size = connection.piece.size() - parser.get().body().size;
      received += size;
      if (size > 0 && !guarded_bool([&] {
            return exchange.take(std::string_view(connection.piece.data(), size));
          })) {
        co_return parser.is_done() && !error ? BodyEnd::Complete : BodyEnd::Refused;
      }
      if (error) co_return BodyEnd::Lost;
    }
    co_return BodyEnd::Complete;
  }

  asio::awaitable<void> refuse_head(Connection& connection, error_code error) {
    const bool quiet = error == http::error::end_of_stream || error == beast::error::timeout ||
                       error == http::error::partial_message ||
                       error.category() == asio::error::get_system_category() ||
                       error.category() == asio::error::get_misc_category();
    if (quiet) co_return;
    const bool large = error == http::error::header_limit || error == http::error::buffer_overflow;
    ServerResponse response{.status = large ? 431 : 400,
                            .headers = {{"Content-Type", "text/plain"}},
                            .body = fmt::format("{}\n", error.message())};
    if (co_await send(connection, std::move(response), false, true, false)) {
      co_await end_tls(connection);
      co_await linger(connection);
    }
  }

  // Ends a connection whose client may still be writing: closing at once would send RST, which can
  // destroy our answer on its way.
  asio::awaitable<void> linger(Connection& connection) {
    error_code error;
    connection.stream.socket().shutdown(tcp::socket::shutdown_send, error);
    connection.stream.expires_after(kLingerTime);
    while (!error) {
      co_await connection.stream.async_read_some(asio::buffer(connection.piece), into(error));
    }
  }

  std::string head_of(const ServerResponse& response, uint64_t body_bytes, bool close,
                      bool http_1_0) const {
    fmt::memory_buffer out;
    fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\nServer: {}\r\nDate: {}\r\n",
                   response.status, reason_phrase(response.status), options_.server_name,
                   http_date());
    for (const ServerHeader& header : response.headers) {
      std::string value = header.value;
      std::ranges::replace_if(value, [](char c) { return c == '\r' || c == '\n'; }, ' ');
      fmt::format_to(std::back_inserter(out), "{}: {}\r\n", header.name, value);
    }
    if (may_have_body(response.status)) {
      fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", body_bytes);
    }
    if (close) {
      fmt::format_to(std::back_inserter(out), "Connection: close\r\n");
    } else if (http_1_0) {
      fmt::format_to(std::back_inserter(out), "Connection: keep-alive\r\n");
    }
    fmt::format_to(std::back_inserter(out), "\r\n");
    return fmt::to_string(out);
  }

  // False: the connection is over, with or without an answer.
  asio::awaitable<bool> send(Connection& connection, ServerResponse response, bool is_head_method,
                             bool close, bool http_1_0) {
    error_code error;
    if (response.delay > Milliseconds(0)) {
      asio::steady_timer timer(connection.stream.get_executor(), response.delay);
      co_await timer.async_wait(into(error));
    }
    if (response.sending == Sending::Reset) {
      connection.reset();
      co_return false;
    }
    if (response.sending == Sending::Never) {
      connection.stream.expires_after(kNeverLimit);
      while (!error) {
        co_await connection.stream.async_read_some(asio::buffer(connection.piece), into(error));
      }
      co_return false;
    }
    const uint64_t file_bytes = response.file ? response.file->bytes : 0;
    const uint64_t body_bytes = response.body.size() + file_bytes;
    const std::string head = head_of(response, body_bytes, close, http_1_0);
    const bool with_body = !is_head_method && may_have_body(response.status);
    uint64_t left = head.size() + (with_body ? body_bytes : 0);
    const bool truncated = response.sending == Sending::Truncated;
    if (truncated) left = with_body && body_bytes > 0 ? head.size() + body_bytes / 2 : left / 2;

    const size_t head_part = std::min<uint64_t>(left, head.size());
    left -= head_part;
    const size_t body_part = std::min<uint64_t>(left, response.body.size());
    left -= body_part;
    const std::array<asio::const_buffer, 2> parts = {asio::buffer(head.data(), head_part),
                                                     asio::buffer(response.body.data(), body_part)};
    if (!co_await write_all(connection, parts)) co_return false;
    if (left > 0) {
      if (!co_await send_file(connection, *response.file, left)) co_return false;
    }
    if (truncated) {
      connection.stream.socket().shutdown(tcp::socket::shutdown_both, error);
      co_return false;
    }
    co_return true;
  }

  // Fails when nothing moves for stall_timeout, however long the whole takes.
  template <typename Buffers>
  asio::awaitable<bool> write_all(Connection& connection, const Buffers& buffers) {
    beast::buffers_suffix<Buffers> rest(buffers);
    while (beast::buffer_bytes(rest) > 0) {
      error_code error;
      connection.stream.expires_after(options_.stall_timeout);
      const size_t size = co_await connection.wire.async_write_some(rest, into(error));
      if (error) co_return false;
      rest.consume(size);
    }
    co_return true;
  }

  asio::awaitable<bool> send_file(Connection& connection, const FilePart& part, uint64_t bytes) {
    std::string piece;
    uint64_t position = part.position;
    const uint64_t end = part.position + bytes;
    while (position < end) {
      piece.resize(std::min<uint64_t>(kFilePieceBytes, end - position));
      const ssize_t size =
          ::pread(part.file.get(), piece.data(), piece.size(), static_cast<off_t>(position));
      if (size <= 0) {
        // The head has promised these bytes: only a broken connection tells the truth now.
        log_error("http", "a file to send ended {} bytes early", end - position);
        co_return false;
      }
      const std::array<asio::const_buffer, 1> buffers = {
          asio::buffer(piece.data(), static_cast<size_t>(size))};
      if (!co_await write_all(connection, buffers)) co_return false;
      position += static_cast<uint64_t>(size);
    }
    co_return true;
  }

  const HttpServerOptions options_;
  const HttpExchangeFactory factory_;
  Mutex mutex_;
  ConditionVariable gone_;  // the last connection ended
  std::unordered_set<std::shared_ptr<Connection>> connections_ GUARDED_BY(mutex_);
  LogEpisode accept_episode_;
  LogEpisode handshake_episode_;
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
