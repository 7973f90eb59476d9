// A small HTTP/1.1 server: keep-alive, chunked bodies, Expect: 100-continue, HEAD, files from disk.
//
//   auto server = HttpServer::start({.port = 2020}, [](const ServerRequest& request) {
//     return ServerResponse{.body = "ok\n"};
//   });
//
// (The client side, http/http_client.h, has HttpRequest and HttpResponse; these are the server's.)
// start() returns when the port listens; the server's own `threads` run every handler. With one
// thread (admin) handlers are serialised and must not block; with several (localaws) they run at
// the same time, one per connection. A client can neither hold memory (header, body and connection
// limits) nor time (a deadline on every read and write). Header names compare without case.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace noroshi {

class TlsContext;  // net/tls.h

struct ServerHeader {
  std::string name;
  std::string value;
};

struct ServerRequest {
  std::string method = {};
  std::string target = {};                 // byte for byte as sent: signatures are computed over it
  std::vector<ServerHeader> headers = {};  // in the order sent, repetitions kept
  std::string body = {};                   // filled for an HttpFunction only
  std::string peer = {};                   // "127.0.0.1:40000"

  [[nodiscard]] std::string_view path() const;   // target up to '?'
  [[nodiscard]] std::string_view query() const;  // after '?', else empty
  // First header of that name; empty (nullptr) if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] const std::string* find_header(std::string_view name) const;
};

struct FilePart {
  UniqueFd file;
  uint64_t position = 0;
  uint64_t bytes = 0;
};

// How an answer leaves; everything but Whole is for tests that need a broken service.
enum class Sending {
  Whole,
  Truncated,  // half of it, then the connection ends
  Reset,      // RST, nothing sent
  Never,      // nothing sent, the connection stays open
};

struct ServerResponse {
  int status = 200;
  std::vector<ServerHeader> headers = {};  // Date, Content-Length and Connection are added
  std::string body = {};
  std::optional<FilePart> file = {};  // sent after `body`
  bool close = false;                 // end the connection after this answer
  Sending sending = Sending::Whole;
  Milliseconds delay{0};  // waited, without holding a thread, before anything is sent
};

// One request whose body is taken piece by piece. Used by one thread at a time, destroyed after its
// answer is sent.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  // Before everything else. `end` ends the connection while its body is read; to be called from the
  // server's threads while this lives, and only if it has one thread.
  virtual void may_end_connection(std::function<void()> /*end*/) {}
  // Asked after the head. False: the body is not read (no 100 Continue), finish() is called next.
  [[nodiscard]] virtual bool wants_body() { return true; }
  // False: enough. finish() is called next and the connection ends after its answer.
  [[nodiscard]] virtual bool take(std::string_view piece) = 0;
  [[nodiscard]] virtual ServerResponse finish() = 0;
  // The same for an answer that comes later: `answer` is called once, on any thread, also after
  // this exchange is gone. The connection waits, without holding a thread.
  virtual void finish_later(std::function<void(ServerResponse)> answer) { answer(finish()); }
};

// Called for every request with its head; `head.body` is empty. Never returns nullptr.
using HttpExchangeFactory = std::function<std::unique_ptr<HttpExchange>(ServerRequest head)>;
// The easy form: the body is collected, up to max_body_bytes (413 above).
using HttpFunction = std::function<ServerResponse(const ServerRequest&)>;

struct HttpServerOptions {
  std::string address = "127.0.0.1";  // an IP address; "::" also takes IPv4
  uint16_t port = 0;                  // 0: any free one, see HttpServer::port()
  int threads = 1;
  size_t max_connections = 256;  // further ones get 503 and are closed
  size_t max_header_bytes = 32 * 1024;
  size_t max_body_bytes = 1024 * 1024;  // HttpFunction only
  // From the first byte of a request (or the accept) to the end of its head.
  Seconds header_timeout{10};
  Seconds idle_timeout{75};   // between requests
  Seconds stall_timeout{30};  // one read of a body or write of an answer without progress
  // Bytes per second that a body must reach on average, after the first stall_timeout.
  uint64_t min_body_rate = 4096;
  std::string server_name = "noroshi";
  // Not null: https. The handshake must be done within header_timeout.
  std::shared_ptr<TlsContext> tls = {};
};

class HttpServer {
 public:
  // Fails with Unavailable (taken), Denied (port below 1024) or InvalidArgument (address) and the
  // address in the message.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options,
                                                                 HttpFunction handler);
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options,
                                                                 HttpExchangeFactory factory);
  ~HttpServer();  // stop(Seconds(0))

  [[nodiscard]] uint16_t port() const;
  [[nodiscard]] size_t connections() const;
  // Listens no more, closes idle connections, lets answers under way finish until `grace` is over,
  // joins the threads. Idempotent. Not from a handler.
  void stop(Milliseconds grace);
  // For tests of clients: beginning after `begin_in` (time for an answer under way to leave), the
  // port is closed for `duration` (connections are refused) and the open connections are reset.
  void refuse_connections(Milliseconds duration, Milliseconds begin_in = Milliseconds(0));

 private:
  class Implementation;
  explicit HttpServer(std::shared_ptr<Implementation> implementation);
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace noroshi
