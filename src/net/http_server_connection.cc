// The parser is Beast's; answers are written by hand: head and body leave in one gathered write.
// Beast and Asio report errors as codes here.

#include "net/http_server_connection.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <ctime>
#include <exception>

#include "net/chunked_end.h"

namespace noroshi {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kHeadBytes = 4096;  // one read of a head, or of a chunk's
constexpr size_t kFilePieceBytes = 256 * 1024;
constexpr Seconds kLingerTime{2};     // the client may still be sending what we refused to read
constexpr Seconds kNeverLimit{3600};  // Sending::Never ends too

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

// An answer that has not come yet. Touched on its connection's strand only.
struct PendingAnswer {
  explicit PendingAnswer(const HttpWire::executor_type& executor)
      : wake(executor, asio::steady_timer::time_point::max()) {}
  asio::steady_timer wake;
  std::optional<ServerResponse> response;
};

template <typename Question>
bool guarded_bool(Question question) {
  try {
    return question();
  } catch (const std::exception& exception) {
    log_error("http", "a body could not be taken: {}", exception.what());
    return false;
  }
}

}  // namespace

HttpServerConnection::HttpServerConnection(tcp::socket socket,
                                           const asio::io_context::executor_type& executor,
                                           const HttpServerOptions& options,
                                           const HttpExchangeFactory& factory,
                                           LogEpisode& failed_handshakes)
    : options_(options),
      factory_(factory),
      failed_handshakes_(failed_handshakes),
      wire_(executor),
      stream_(wire_.socket_stream()) {
  error_code ignored;
  const auto protocol = socket.local_endpoint(ignored).protocol();
  stream_.socket().assign(protocol, socket.release(ignored), ignored);
  stream_.socket().set_option(tcp::no_delay(true), ignored);
}

void HttpServerConnection::stop() {
  stopping_ = true;
  if (idle_) stream_.cancel();
}

void HttpServerConnection::reset() {
  error_code ignored;
  stream_.socket().set_option(asio::socket_base::linger(true, 0), ignored);
  stream_.socket().close(ignored);
}

asio::awaitable<void> HttpServerConnection::serve() {
  error_code error;
  const auto endpoint = stream_.socket().remote_endpoint(error);
  if (!error) peer_ = fmt::format("{}:{}", endpoint.address().to_string(), endpoint.port());
  buffer_.max_size(options_.max_header_bytes + kPieceBytes);
  Seconds patience = options_.header_timeout;
  if (options_.tls && !co_await shake_hands()) co_return;
  while (!stopping_) {
    if (buffer_.size() == 0) {
      stream_.expires_after(patience);
      const size_t size = co_await wire_.async_read_some(buffer_.prepare(kHeadBytes), into(error));
      if (error) co_return;
      buffer_.commit(size);
    }
    idle_ = false;
    if (!co_await serve_request()) co_return;
    idle_ = true;
    patience = options_.idle_timeout;
  }
}

asio::awaitable<bool> HttpServerConnection::shake_hands() {
  auto session = options_.tls->new_session();
  if (!session) {
    log_error("http", "{}", session.error().message);
    co_return false;
  }
  wire_.use_tls(*session);
  error_code error;
  stream_.expires_after(options_.header_timeout);
  co_await wire_.tls()->async_handshake(asio::ssl::stream_base::server, into(error));
  if (!error) co_return true;
  if (const auto count = failed_handshakes_.admit()) {
    log_warn("http", "connection {} is closed: the TLS handshake failed: {} ({} times)", peer_,
             error.message(), count);
  }
  co_return false;
}

// Says goodbye, so that the client knows the answer is whole.
asio::awaitable<void> HttpServerConnection::end_tls() {
  if (!wire_.tls()) co_return;
  error_code ignored;
  stream_.expires_after(kLingerTime);
  co_await wire_.tls()->async_shutdown(into(ignored));
}

asio::awaitable<bool> HttpServerConnection::serve_request() {
  RequestParser parser;
  parser.header_limit(static_cast<uint32_t>(options_.max_header_bytes));
  parser.body_limit(boost::none);
  error_code error;
  stream_.expires_after(options_.header_timeout);
  co_await http::async_read_header(wire_, buffer_, parser, into(error));
  if (error) {
    co_await refuse_head(error);
    co_return false;
  }
  const RequestHead& head = parser.get();
  const bool is_head_method = head.method() == http::verb::head;
  const bool http_1_0 = head.version() == 10;
  const std::unique_ptr<HttpExchange> exchange = begin(head);
  if (!exchange) {
    co_await send({.status = 500, .close = true}, is_head_method, true, false);
    co_return false;
  }
  exchange->may_end_connection([this] { stream_.cancel(); });
  const BodyEnd end = co_await take_body(parser, *exchange);
  if (end == BodyEnd::Lost) co_return false;
  const bool rest_unread = end == BodyEnd::Refused;
  ServerResponse response = co_await answer_of(*exchange, head);
  const bool close = response.close || rest_unread || stopping_ || !parser.keep_alive();
  if (!co_await send(std::move(response), is_head_method, close, http_1_0)) co_return false;
  if (!close) co_return true;
  co_await end_tls();
  if (rest_unread) co_await linger();
  stream_.socket().shutdown(tcp::socket::shutdown_both, error);
  co_return false;
}

std::unique_ptr<HttpExchange> HttpServerConnection::begin(const RequestHead& head) {
  ServerRequest request;
  request.method = std::string(head.method_string());
  request.target = std::string(head.target());
  request.peer = peer_;
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

asio::awaitable<HttpServerConnection::BodyEnd> HttpServerConnection::take_body(
    RequestParser& parser, HttpExchange& exchange) {
  if (parser.is_done()) co_return BodyEnd::Complete;
  if (!guarded_bool([&] { return exchange.wants_body(); })) co_return BodyEnd::Refused;
  const bool continue_expected = beast::iequals(parser.get()[http::field::expect], "100-continue");
  if (continue_expected && buffer_.size() == 0) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    error_code error;
    stream_.expires_after(options_.stall_timeout);
    co_await asio::async_write(wire_, asio::buffer(kContinue), into(error));
    if (error) co_return BodyEnd::Lost;
  }
  co_return co_await read_body(parser, exchange);
}

asio::awaitable<HttpServerConnection::BodyEnd> HttpServerConnection::read_body(
    RequestParser& parser, HttpExchange& exchange) {
  error_code error;
  uint64_t received = 0;
  uint64_t left_of_chunk = 0;
  auto note_chunk = [&](uint64_t size, beast::string_view, error_code&) { left_of_chunk = size; };
  parser.on_chunk_header(note_chunk);
  const Monotonic start = system_clock().monotonic();
  while (!parser.is_done()) {
    parser.get().body().data = piece_.data();
    parser.get().body().size = piece_.size();
    // A client that trickles bytes must still reach the average rate.
    const Nanoseconds allowed =
        options_.stall_timeout + Milliseconds(received * 1000 / options_.min_body_rate);
    const Nanoseconds left = start + allowed - system_clock().monotonic();
    if (left <= Nanoseconds(0)) co_return BodyEnd::Lost;
    stream_.expires_after(std::min<Nanoseconds>(left, options_.stall_timeout));
    const std::string_view unread(static_cast<const char*>(buffer_.cdata().data()), buffer_.size());
    if (parser.chunked() && left_of_chunk == 0 && is_part_of_empty_body(unread)) {
      const size_t more = co_await wire_.async_read_some(buffer_.prepare(kHeadBytes), into(error));
      if (error) co_return BodyEnd::Lost;
      buffer_.commit(more);
      continue;
    }
    co_await http::async_read_some(wire_, buffer_, parser, into(error));
    if (error == http::error::need_buffer) error = {};
    const size_t size = piece_.size() - parser.get().body().size;
    received += size;
    left_of_chunk -= std::min<uint64_t>(size, left_of_chunk);
    if (size > 0 &&
        !guarded_bool([&] { return exchange.take(std::string_view(piece_.data(), size)); })) {
      co_return parser.is_done() && !error ? BodyEnd::Complete : BodyEnd::Refused;
    }
    if (error) co_return BodyEnd::Lost;
  }
  co_return BodyEnd::Complete;
}

asio::awaitable<ServerResponse> HttpServerConnection::answer_of(HttpExchange& exchange,
                                                                const RequestHead& head) {
  const auto pending = std::make_shared<PendingAnswer>(stream_.get_executor());
  try {
    exchange.finish_later([pending](ServerResponse given) {
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
    error_code error;
    stream_.expires_never();
    co_await pending->wake.async_wait(into(error));
  }
  co_return pending->response ? *std::move(pending->response)
                              : ServerResponse{.status = 500, .close = true};
}

asio::awaitable<void> HttpServerConnection::refuse_head(error_code error) {
  const bool quiet = error == http::error::end_of_stream || error == beast::error::timeout ||
                     error == http::error::partial_message ||
                     error.category() == asio::error::get_system_category() ||
                     error.category() == asio::error::get_misc_category();
  if (quiet) co_return;
  const bool large = error == http::error::header_limit || error == http::error::buffer_overflow;
  ServerResponse response{.status = large ? 431 : 400,
                          .headers = {{"Content-Type", "text/plain"}},
                          .body = fmt::format("{}\n", error.message())};
  if (co_await send(std::move(response), false, true, false)) {
    co_await end_tls();
    co_await linger();
  }
}

// Ends a connection whose client may still be writing: closing at once would send RST, which can
// destroy our answer on its way.
asio::awaitable<void> HttpServerConnection::linger() {
  error_code error;
  stream_.socket().shutdown(tcp::socket::shutdown_send, error);
  stream_.expires_after(kLingerTime);
  while (!error) {
    co_await stream_.async_read_some(asio::buffer(piece_), into(error));
  }
}

std::string HttpServerConnection::head_of(const ServerResponse& response, uint64_t body_bytes,
                                          bool close, bool http_1_0) const {
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

// The connection is over, with or without an answer, when it says false.
asio::awaitable<bool> HttpServerConnection::send(ServerResponse response, bool is_head_method,
                                                 bool close, bool http_1_0) {
  error_code error;
  if (response.delay > Milliseconds(0)) {
    asio::steady_timer timer(stream_.get_executor(), response.delay);
    co_await timer.async_wait(into(error));
  }
  if (response.sending == Sending::Reset) {
    reset();
    co_return false;
  }
  if (response.sending == Sending::Never) {
    stream_.expires_after(kNeverLimit);
    while (!error) {
      co_await stream_.async_read_some(asio::buffer(piece_), into(error));
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
  if (!co_await write_all(parts)) co_return false;
  if (left > 0) {
    if (!co_await send_file(*response.file, left)) co_return false;
  }
  if (truncated) {
    stream_.socket().shutdown(tcp::socket::shutdown_both, error);
    co_return false;
  }
  co_return true;
}

// Fails when nothing moves for stall_timeout, however long the whole takes.
template <typename Buffers>
asio::awaitable<bool> HttpServerConnection::write_all(const Buffers& buffers) {
  beast::buffers_suffix<Buffers> rest(buffers);
  while (beast::buffer_bytes(rest) > 0) {
    error_code error;
    stream_.expires_after(options_.stall_timeout);
    const size_t size = co_await wire_.async_write_some(rest, into(error));
    if (error) co_return false;
    rest.consume(size);
  }
  co_return true;
}

asio::awaitable<bool> HttpServerConnection::send_file(const FilePart& part, uint64_t bytes) {
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
    if (!co_await write_all(buffers)) co_return false;
    position += static_cast<uint64_t>(size);
  }
  co_return true;
}

}  // namespace noroshi
