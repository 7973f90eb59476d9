// HttpServer, spoken to over real sockets by a client that knows nothing but bytes.

#include "net/http_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "net/stream_client.h"
#include "net/testing/test_certificates.h"
#include "net/tls.h"

namespace noroshi {
namespace {

using namespace std::chrono_literals;

class Client {
 public:
  explicit Client(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  bool connected() const { return connected_; }
  void without_delay() {
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  void send(std::string_view text) {
    ASSERT_EQ(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // Reads until `end` is seen, the server closes, or 5 s pass.
  std::string read_until(std::string_view end) {
    while (received_.find(end) == std::string::npos) {
      if (!read_some(5000)) break;
    }
    const size_t found = received_.find(end);
    const size_t size = found == std::string::npos ? received_.size() : found + end.size();
    std::string text = received_.substr(0, size);
    received_.erase(0, size);
    return text;
  }
  std::string read_to_close() {
    while (read_some(5000)) {
    }
    return std::exchange(received_, {});
  }
  bool silent_for(int milliseconds) { return !read_some(milliseconds) && !closed_; }
  bool closed() const { return closed_; }
  int error() const { return error_; }

 private:
  bool read_some(int timeout_ms) {
    pollfd wait{fd_.get(), POLLIN, 0};
    if (::poll(&wait, 1, timeout_ms) <= 0) return false;
    char bytes[4096];
    const ssize_t size = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (size <= 0) {
      closed_ = true;
      if (size < 0) error_ = errno;
      return false;
    }
    received_.append(bytes, static_cast<size_t>(size));
    return true;
  }

  UniqueFd fd_;
  bool connected_ = false;
  bool closed_ = false;
  int error_ = 0;
  std::string received_;
};

std::unique_ptr<HttpServer> echo_server(HttpServerOptions options = {}) {
  auto server = HttpServer::start(std::move(options), [](const ServerRequest& request) {
    if (request.path() == "/throw") throw std::runtime_error("on purpose");
    ServerResponse response{.body = request.method + " " + request.target + " [" + request.body +
                                    "]\n"};
    if (request.path() == "/slow") response.delay = 300ms;
    if (request.path() == "/reset") response.sending = Sending::Reset;
    if (request.path() == "/truncated") response.sending = Sending::Truncated;
    if (request.path() == "/never") response.sending = Sending::Never;
    if (request.path() == "/evil") response.headers = {{"X-Evil", "a\r\nX-Injected: b"}};
    return response;
  });
  EXPECT_TRUE(server) << server.error().message;
  return std::move(*server);
}

std::string one(HttpServer& server, std::string_view request) {
  Client client(server.port());
  client.send(request);
  return client.read_to_close();
}

TEST(HttpServer, KeepsTheConnectionAndTheTargetAsSent) {
  const auto server = echo_server();
  Client client(server->port());
  client.send("GET /a%2Fb//c/../d?x=%20&y=+ HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string first = client.read_until("]\n");
  EXPECT_TRUE(first.starts_with("HTTP/1.1 200 OK\r\n")) << first;
  EXPECT_TRUE(first.ends_with("GET /a%2Fb//c/../d?x=%20&y=+ []\n")) << first;
  EXPECT_NE(first.find("\r\nDate: "), std::string::npos);
  client.send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\n\r\n");  // pipelined
  EXPECT_TRUE(client.read_until("]\n").ends_with("GET /2 []\n"));
  EXPECT_TRUE(client.read_until("]\n").ends_with("GET /3 []\n"));
  EXPECT_EQ(server->connections(), 1U);
}

TEST(HttpServer, ClosesWhenAskedAndForHttp10) {
  const auto server = echo_server();
  const std::string closed = one(*server, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_NE(closed.find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_TRUE(one(*server, "GET / HTTP/1.0\r\n\r\n").ends_with("GET / []\n"));
}

TEST(HttpServer, DecodesChunkedBodies) {
  const auto server = echo_server();
  Client client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send("5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\nTrailer: t\r\n\r\n");
  EXPECT_TRUE(client.read_until("]\n").ends_with("POST / [hello world]\n"));
  client.send("GET /again HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(client.read_until("]\n").ends_with("GET /again []\n"));
}

// Each byte in a segment of its own: an empty body, one with data, one with a trailer.
TEST(HttpServer, ChunkedBodiesMayComeByteByByte) {
  const auto server = echo_server();
  Client client(server->port());
  client.without_delay();
  for (const std::string_view body : {"0\r\n\r\n", "2\r\nab\r\n0\r\n\r\n", "0\r\nT: 1\r\n\r\n"}) {
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (const char byte : body) {
      std::this_thread::sleep_for(5ms);
      client.send({&byte, 1});
    }
    const std::string_view text = body.starts_with('2') ? "POST / [ab]\n" : "POST / []\n";
    EXPECT_TRUE(client.read_until("]\n").ends_with(text)) << body;
  }
}

TEST(HttpServer, AnswersExpectContinue) {
  const auto server = echo_server();
  Client client(server->port());
  client.send("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  EXPECT_TRUE(client.read_until("]\n").ends_with("PUT /x [abc]\n"));
}

TEST(HttpServer, HeadHasTheLengthAndNoBody) {
  const auto server = echo_server();
  Client client(server->port());
  client.send("HEAD /abc HTTP/1.1\r\nHost: h\r\n\r\nGET /n HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_NE(client.read_until("\r\n\r\n").find("Content-Length: 13\r\n"), std::string::npos);
  EXPECT_TRUE(client.read_until("\r\n").starts_with("HTTP/1.1 200"));
}

TEST(HttpServer, BoundsBodyHeaderAndNonsense) {
  const auto server = echo_server({.max_header_bytes = 1024, .max_body_bytes = 10});
  EXPECT_TRUE(one(*server,
                  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\nConnection: "
                  "close\r\n\r\n012345678901")
                  .starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(one(*server, "GET / HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n")
                  .starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(one(*server, "\x16\x03\x01 hello\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(one(*server, "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
                  .starts_with("HTTP/1.1 400 "));
}

TEST(HttpServer, ClosesConnectionsThatTrickle) {
  const auto server = echo_server({.header_timeout = 1s, .idle_timeout = 1s, .stall_timeout = 1s});
  Client head(server->port());
  Client body(server->port());
  Client idle(server->port());
  head.send("GET / HTTP/1.1\r\n");
  body.send("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nx");
  const auto start = std::chrono::steady_clock::now();
  head.read_to_close();
  body.read_to_close();
  idle.read_to_close();
  EXPECT_TRUE(head.closed());
  EXPECT_TRUE(body.closed());
  EXPECT_TRUE(idle.closed());
  EXPECT_LT(std::chrono::steady_clock::now() - start, 4s);
}

TEST(HttpServer, RefusesConnectionsOverTheLimit) {
  const auto server = echo_server({.max_connections = 1});
  Client first(server->port());
  first.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  first.read_until("]\n");
  Client second(server->port());
  EXPECT_TRUE(second.read_to_close().starts_with("HTTP/1.1 503 "));
  first.send("GET /still HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(first.read_until("]\n").ends_with("GET /still []\n"));
}

TEST(HttpServer, AnExceptionOfTheHandlerIsA500) {
  const auto server = echo_server();
  EXPECT_TRUE(one(*server, "GET /throw HTTP/1.1\r\nHost: h\r\n\r\n").starts_with("HTTP/1.1 500 "));
  EXPECT_TRUE(one(*server, "GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST(HttpServer, HeaderValuesCannotInjectLines) {
  const auto server = echo_server();
  EXPECT_EQ(one(*server, "GET /evil HTTP/1.0\r\n\r\n").find("\r\nX-Injected"), std::string::npos);
}

TEST(HttpServer, BreaksAnswersOnRequest) {
  const auto server = echo_server({.threads = 2});
  Client reset(server->port());
  reset.send("GET /reset HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(reset.read_to_close(), "");
  EXPECT_EQ(reset.error(), ECONNRESET);
  const std::string truncated = one(*server, "GET /truncated HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_NE(truncated.find("Content-Length: 18\r\n"), std::string::npos) << truncated;
  EXPECT_TRUE(truncated.ends_with("\r\n\r\nGET /trun")) << truncated;
  Client never(server->port());
  never.send("GET /never HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(never.silent_for(200));
}

TEST(HttpServer, StopLetsAnswersFinishAndClosesIdleConnections) {
  const auto server = echo_server();
  Client idle(server->port());
  idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  idle.read_until("]\n");
  Client busy(server->port());
  busy.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  const auto start = std::chrono::steady_clock::now();
  server->stop(3s);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
  EXPECT_TRUE(busy.read_to_close().ends_with("GET /slow []\n"));
  EXPECT_EQ(idle.read_to_close(), "");
  EXPECT_FALSE(Client(server->port()).connected());
  server->stop(0s);
}

TEST(HttpServer, StopCutsWhatDoesNotEnd) {
  const auto server = echo_server();
  Client never(server->port());
  never.send("GET /never HTTP/1.1\r\nHost: h\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  server->stop(100ms);
  EXPECT_EQ(server->connections(), 0U);
}

TEST(HttpServer, RefusesConnectionsForAWhile) {
  const auto server = echo_server();
  Client open(server->port());
  open.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  open.read_until("]\n");
  server->refuse_connections(400ms);
  std::this_thread::sleep_for(100ms);
  EXPECT_FALSE(Client(server->port()).connected());
  open.read_to_close();
  EXPECT_TRUE(open.closed());
  std::this_thread::sleep_for(600ms);
  EXPECT_TRUE(one(*server, "GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST(HttpServer, SaysWhyItCannotListen) {
  const auto server = echo_server();
  const auto handler = [](const ServerRequest&) { return ServerResponse{}; };
  const auto taken = HttpServer::start({.port = server->port()}, handler);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::Unavailable);
  const auto nonsense = HttpServer::start({.address = "not-an-address"}, handler);
  ASSERT_FALSE(nonsense);
  EXPECT_EQ(nonsense.error().code, ErrorCode::InvalidArgument);
}

// Bodies larger than memory should hold: counted, never collected, and answered from a file.
class CountingExchange final : public HttpExchange {
 public:
  explicit CountingExchange(ServerRequest head) : head_(std::move(head)) {}
  bool wants_body() override { return head_.path() != "/unwanted"; }
  bool take(std::string_view piece) override {
    largest_ = std::max(largest_, piece.size());
    bytes_ += piece.size();
    return head_.path() != "/enough";
  }
  ServerResponse finish() override {
    ServerResponse response{.body = std::to_string(bytes_) + " " +
                                    (largest_ <= 65536 ? "bounded" : "large") + "\n"};
    if (head_.path() == "/file") {
      response.file = FilePart{
          UniqueFd(::open(NOROSHI_SOURCE_DIR "/src/net/http_server_test.cc", O_RDONLY)), 3, 10};
    }
    return response;
  }

 private:
  ServerRequest head_;
  uint64_t bytes_ = 0;
  size_t largest_ = 0;
};

TEST(HttpExchange, TakesBodiesPieceByPiece) {
  const auto server =
      HttpServer::start({}, [](ServerRequest head) -> std::unique_ptr<HttpExchange> {
        return std::make_unique<CountingExchange>(std::move(head));
      });
  ASSERT_TRUE(server);
  constexpr size_t kBytes = 20'000'000;
  Client client((*server)->port());
  client.send("PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 20000000\r\n\r\n");
  std::thread writer([&] {
    const std::string piece(100'000, 'x');
    for (size_t sent = 0; sent < kBytes; sent += piece.size()) client.send(piece);
  });
  EXPECT_TRUE(client.read_until("bounded\n").ends_with("\r\n\r\n20000000 bounded\n"));
  writer.join();
  client.send("GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(client.read_until("HttpServer").ends_with("\r\n\r\n0 bounded\nHttpServer"));

  // Refused unread: no 100, an answer, and the end of the connection.
  Client refused((*server)->port());
  refused.send(
      "PUT /unwanted HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  const std::string answer = refused.read_to_close();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK")) << answer;
  EXPECT_TRUE(answer.ends_with("0 bounded\n")) << answer;
  Client enough((*server)->port());
  enough.send("PUT /enough HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\n12345");
  EXPECT_TRUE(enough.read_to_close().ends_with("5 bounded\n"));
}

// One request over TLS, or a keep-alive follower.
std::string ask(StreamClient& client, std::string_view request, std::string_view end) {
  const Monotonic deadline = system_clock().monotonic() + 10s;
  EXPECT_TRUE(client.write(request, deadline));
  std::string answer;
  std::array<char, 4096> buffer;
  while (!answer.ends_with(end)) {
    const auto count = client.read(buffer, deadline);
    if (!count || *count == 0) break;
    answer.append(buffer.data(), *count);
  }
  return answer;
}

TEST(HttpServer, SpeaksTls) {
  testing::TestCertificates certificates;
  const auto files = certificates.issue("localhost");
  const auto tls = TlsContext::make(TlsContext::Role::Server,
                                    {.crt_file = files.certificate, .key_file = files.key})
                       .value();
  auto server = HttpServer::start({.header_timeout = Seconds(2), .tls = tls},
                                  [](const ServerRequest& request) {
                                    return ServerResponse{.body = request.body + "|ok"};
                                  })
                    .value();
  const auto trusting =
      TlsContext::make(TlsContext::Role::Client, {.ca_file = certificates.authority()}).value();
  const StreamAddress address{.host = "localhost", .port = server->port()};
  const Monotonic deadline = system_clock().monotonic() + 10s;
  auto client = StreamClient::connect(address, trusting, deadline);
  ASSERT_TRUE(client) << client.error().message;
  const std::string large(200'000, 'x');
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + large;
  EXPECT_TRUE(ask(**client, post, "|ok").ends_with("xxx|ok"));
  EXPECT_TRUE((*client)->reusable());
  const std::string last =
      ask(**client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "|ok");
  EXPECT_TRUE(last.starts_with("HTTP/1.1 200 OK"));
  char byte = 0;
  const auto end = (*client)->read(std::span(&byte, 1), deadline);
  EXPECT_TRUE(end && *end == 0) << "with close_notify";

  Client plain(server->port());
  plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(plain.read_to_close().find("200"), std::string::npos);
  Client silent(server->port());
  EXPECT_EQ(silent.read_to_close(), "") << "header_timeout ends it";
  EXPECT_TRUE(silent.closed());
}

}  // namespace
}  // namespace noroshi
