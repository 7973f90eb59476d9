#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <functional>
#include <random>
#include <thread>

#include "base/mutex.h"
#include "base/thread_deadline.h"
#include "base/unique_fd.h"
#include "http/http_client.h"
#include "net/http_server.h"
#include "net/stream_client.h"
#include "net/testing/test_certificates.h"
#include "net/tls.h"

namespace noroshi {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Monotonic in(Nanoseconds duration) { return system_clock().monotonic() + duration; }

// A server of one thread that reads requests byte by byte and answers what the test says. It counts
// connections, so that keep-alive shows.
class RawServer {
 public:
  // Gets head and body of a request; returns the bytes to send; "" closes the connection.
  using Handler = std::function<std::string(const std::string& head, const std::string& body)>;

  explicit RawServer(Handler handler, bool continue_first = false)
      : handler_(std::move(handler)), continue_first_(continue_first) {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 16), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~RawServer() {
    stop_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    ::shutdown(current_.load(), SHUT_RDWR);
    thread_.join();
  }
  [[nodiscard]] std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  [[nodiscard]] int connections() const { return connections_; }
  [[nodiscard]] int continues() const { return continues_; }
  // From now on: answer after the head, and read no body. Before the first request.
  void answer_early(std::string answer) { early_ = std::move(answer); }

 private:
  void serve() {
    while (!stop_) {
      UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection.valid()) return;
      ++connections_;
      current_ = connection.get();
      while (answer_one(connection.get())) {
      }
      current_ = -1;
    }
  }

  bool answer_one(int fd) {
    std::string head;
    char c = 0;
    while (!head.ends_with("\r\n\r\n")) {
      if (::recv(fd, &c, 1, 0) != 1) return false;
      head += c;
    }
    if (!early_.empty()) {
      send_all(fd, early_);
      // The end of a connection that is full of unread bytes never shows: the next one does.
      std::array<pollfd, 2> over{pollfd{fd, POLLRDHUP, 0}, pollfd{listener_.get(), POLLIN, 0}};
      while (!stop_ && ::poll(over.data(), over.size(), 10) == 0) {
      }
      return false;
    }
    size_t length = 0;
    if (const size_t at = head.find("Content-Length: "); at != std::string::npos) {
      length = std::stoul(head.substr(at + 16));
    }
    if (continue_first_ && head.find("Expect: 100-continue") != std::string::npos) {
      ++continues_;
      send_all(fd, "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n");
    }
    std::string body(length, '\0');
    for (size_t done = 0; done < length;) {
      const ssize_t got = ::recv(fd, body.data() + done, length - done, 0);
      if (got <= 0) return false;
      done += static_cast<size_t>(got);
    }
    const std::string answer = handler_(head, body);
    if (answer.empty()) return false;
    send_all(fd, answer);
    return true;
  }

  static void send_all(int fd, std::string_view data) {
    while (!data.empty()) {
      const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      data.remove_prefix(static_cast<size_t>(sent));
    }
  }

  Handler handler_;
  bool continue_first_;
  std::string early_;
  UniqueFd listener_;
  int port_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<int> current_ = -1;
  std::atomic<int> connections_ = 0;
  std::atomic<int> continues_ = 0;
  std::thread thread_;
};

std::string ok(const std::string& body, const std::string& more = {}) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more +
         "\r\n" + body;
}

TEST(HttpTransport, SendsExactlyWhatWasAskedAndKeepsTheConnection) {
  std::string head_seen;
  std::string body_seen;
  RawServer server([&](const std::string& head, const std::string& body) {
    head_seen = head;
    body_seen = body;
    return ok("answer", "X-Amzn-RequestId: abc\r\nEmpty:\r\n");
  });
  const auto transport = make_http_transport();
  const std::string content = "{\"a\":1}";
  HttpRequest request;
  request.method = "POST";
  request.url = server.url("/a//b/../%E3%81%82?x=1&y=");
  request.headers = {{"Host", "example.test"}, {"X-Empty", ""}, {"X-Amz-Date", "20261123T000000Z"}};
  request.body = content;
  for (int i = 0; i < 3; ++i) {
    const auto response = transport->send(request, in(Seconds(5)));
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "answer");
    EXPECT_EQ(response->headers.get("x-amzn-requestid"), "abc");
    EXPECT_EQ(response->headers.find("empty"), "");
    EXPECT_FALSE(response->headers.find("absent"));
  }
  EXPECT_EQ(server.connections(), 1);
  EXPECT_TRUE(head_seen.starts_with("POST /a//b/../%E3%81%82?x=1&y= HTTP/1.1\r\n")) << head_seen;
  EXPECT_THAT(head_seen, HasSubstr("Host: example.test\r\n"));
  EXPECT_THAT(head_seen, HasSubstr("X-Empty:"));
  EXPECT_THAT(head_seen, HasSubstr("User-Agent: noroshi/"));
  EXPECT_THAT(head_seen, Not(HasSubstr("Content-Type")));
  EXPECT_THAT(head_seen, Not(HasSubstr("Expect")));
  EXPECT_EQ(body_seen, content);
}

TEST(HttpTransport, AProxyIsAskedForTheWholeUrl) {
  std::string head_seen;
  RawServer proxy([&](const std::string& head, const std::string&) {
    head_seen = head;
    return ok("by proxy");
  });
  const auto transport = make_http_transport({.proxy = proxy.url("")});
  HttpRequest request;
  request.url = "http://collector.invalid:8080/in?x=1";
  const auto response = transport->send(request, in(Seconds(5)));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "by proxy");
  EXPECT_TRUE(head_seen.starts_with("GET http://collector.invalid:8080/in?x=1 HTTP/1.1\r\n"))
      << head_seen;
}

TEST(HttpTransport, WithoutKeepAliveEveryRequestHasItsConnection) {
  RawServer server([](const std::string&, const std::string&) { return ok("answer"); });
  const auto transport = make_http_transport({.keep_alive = false});
  HttpRequest request;
  request.url = server.url();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(transport->send(request, in(Seconds(5))));
  EXPECT_EQ(server.connections(), 3);
}

TEST(HttpTransport, GetHeadDeleteAndEmptyPut) {
  std::string head_seen;
  RawServer server([&](const std::string& head, const std::string&) {
    head_seen = head;
    if (head.starts_with("HEAD"))
      return std::string("HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\n");
    if (head.starts_with("DELETE")) return std::string("HTTP/1.1 204 No Content\r\n\r\n");
    return ok("");
  });
  const auto transport = make_http_transport();
  for (const auto& [method, status] :
       {std::pair{"GET", 200}, {"HEAD", 404}, {"DELETE", 204}, {"PUT", 200}, {"GET", 200}}) {
    HttpRequest request;
    request.method = method;
    request.url = server.url("/k");
    const auto response = transport->send(request, in(Seconds(5)));
    ASSERT_TRUE(response) << method << ": " << response.error().message;
    EXPECT_EQ(response->status, status) << method;
    EXPECT_EQ(response->body, "");
    EXPECT_TRUE(head_seen.starts_with(method)) << head_seen;
    if (std::string_view(method) == "PUT") {
      EXPECT_THAT(head_seen, HasSubstr("Content-Length: 0"));
    }
  }
}

TEST(HttpTransport, StreamsARangeOfAFileAfterAskingFirst) {
  const UniqueFd file(::memfd_create("body", MFD_CLOEXEC));
  std::string content(3 << 20, '\0');
  std::mt19937 random(7);
  for (char& c : content) c = static_cast<char>(random());
  ASSERT_EQ(::write(file.get(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  std::string body_seen;
  RawServer server(
      [&](const std::string&, const std::string& body) {
        body_seen = body;
        return ok("");
      },
      true);
  const auto transport = make_http_transport();
  HttpRequest request;
  request.method = "PUT";
  request.url = server.url("/object");
  request.file = HttpFileBody{file.get(), 1000, 2 << 20};
  request.expect_continue = true;
  const auto response = transport->send(request, in(Seconds(5)));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 200);
  EXPECT_FALSE(response->headers.find("X-Early"));  // belongs to 100 Continue
  EXPECT_EQ(server.continues(), 1);
  EXPECT_TRUE(body_seen == content.substr(1000, 2 << 20));

  request.file = HttpFileBody{file.get(), 2 << 20, 2 << 20};  // ends early
  const auto short_file = transport->send(request, in(Seconds(5)));
  ASSERT_FALSE(short_file);
  EXPECT_EQ(short_file.error().code, ErrorCode::Io);
}

TEST(HttpTransport, ARedirectIsAnAnswer) {
  RawServer server([](const std::string&, const std::string&) {
    return "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0"
           "\r\n\r\n";
  });
  const auto response = make_http_transport()->send({.url = server.url()}, in(Seconds(5)));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 307);
  EXPECT_EQ(response->headers.get("location"), "http://127.0.0.1:1/");
}

TEST(HttpTransport, ALongAnswerIsCut) {
  RawServer server(
      [](const std::string&, const std::string&) { return ok(std::string(5000, 'x')); });
  HttpRequest request;
  request.url = server.url();
  request.response_bytes_max = 100;
  const auto transport = make_http_transport();
  const auto response = transport->send(request, in(Seconds(5)));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, std::string(100, 'x'));
  EXPECT_TRUE(response->body_cut);
  request.response_bytes_max = 5000;
  const auto whole = transport->send(request, in(Seconds(5)));
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->body.size(), 5000U);
  EXPECT_FALSE(whole->body_cut);
}

TEST(HttpTransport, DeadlineRefusedConnectionAndResetAreToldApart) {
  std::atomic<bool> silent = true;
  RawServer server([&](const std::string&, const std::string&) {
    while (silent) std::this_thread::sleep_for(Milliseconds(5));
    return std::string();
  });
  const auto transport = make_http_transport();
  const Monotonic before = system_clock().monotonic();
  const auto late = transport->send({.url = server.url()}, in(Milliseconds(200)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::Timeout);
  EXPECT_LT(system_clock().monotonic() - before, Seconds(3));
  silent = false;
  const auto reset = transport->send({.url = server.url()}, in(Seconds(5)));
  ASSERT_FALSE(reset);
  EXPECT_EQ(reset.error().code, ErrorCode::Unavailable);
  const auto refused = transport->send({.url = "http://127.0.0.1:1/"}, in(Seconds(5)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Unavailable);
  const auto passed = transport->send({.url = server.url()}, in(Milliseconds(-1)));
  ASSERT_FALSE(passed);
  EXPECT_EQ(passed.error().code, ErrorCode::Timeout);
  const auto malformed = transport->send({.url = "ftp://x/"}, in(Seconds(5)));
  ASSERT_FALSE(malformed);
  EXPECT_EQ(malformed.error().code, ErrorCode::InvalidArgument);
  HttpRequest split;
  split.url = server.url();
  split.headers = {{"A", "b\r\nEvil: 1"}};
  const auto injected = transport->send(split, in(Seconds(5)));
  ASSERT_FALSE(injected);
  EXPECT_EQ(injected.error().code, ErrorCode::InvalidArgument);
}

TEST(HttpTransport, ADeadlineBroughtForwardCutsTheRequestShort) {
  RawServer server([](const std::string&, const std::string&) {
    std::this_thread::sleep_for(Seconds(2));
    return std::string();
  });
  const auto transport = make_http_transport();
  HttpRequest request;
  request.url = server.url();
  std::atomic<int64_t> deadline_ns{INT64_MAX};
  std::thread shutdown([&] {
    std::this_thread::sleep_for(Milliseconds(100));
    deadline_ns.store(in(Milliseconds(50)).time_since_epoch().count());
  });
  const Monotonic began = system_clock().monotonic();
  {
    const ThreadDeadline scope(deadline_ns);
    const Result<HttpResponse> answer = transport->send(request, in(Seconds(30)));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::Timeout);
    EXPECT_THAT(answer.error().message, HasSubstr("cut short by the shutdown"));
    EXPECT_LT(system_clock().monotonic() - began, Seconds(1));
    // It stays passed: nothing is begun any more.
    EXPECT_EQ(transport->send(request, in(Seconds(30))).error().code, ErrorCode::Timeout);
  }
  EXPECT_EQ(ThreadDeadline::current(), Monotonic::max());
  shutdown.join();
}

TEST(HttpTransport, AClosedIdleConnectionIsReplacedInSilence) {
  std::atomic<int> answered = 0;
  RawServer server([&](const std::string&, const std::string&) {
    ++answered;
    return ok("x", "Connection: keep-alive\r\n");
  });
  HttpTransportOptions options;
  options.keep_alive_idle_max = Seconds(1);
  const auto transport = make_http_transport(options);
  ASSERT_TRUE(transport->send({.url = server.url()}, in(Seconds(5))));
  std::this_thread::sleep_for(Milliseconds(2100));  // past the idle limit: not reused
  // The server's one thread sits on the old connection until the client gives it up.
  ASSERT_TRUE(transport->send({.url = server.url()}, in(Seconds(5))));
  EXPECT_EQ(answered, 2);
  EXPECT_EQ(server.connections(), 2);
}

TEST(HttpTransport, AConnectionThatDiesUnderTheRequestIsReplacedOnce) {
  std::atomic<int> asked = 0;
  std::string last_body;
  RawServer server([&](const std::string&, const std::string& body) {
    last_body = body;
    return ++asked == 2 ? std::string() : ok("x");  // the second time it closes instead
  });
  const auto transport = make_http_transport();
  const std::string body(200'000, 'b');
  HttpRequest request;
  request.method = "POST";
  request.url = server.url();
  request.body = body;
  ASSERT_TRUE(transport->send(request, in(Seconds(5))));
  const auto again = transport->send(request, in(Seconds(5)));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(server.connections(), 2);
  EXPECT_EQ(last_body, body);
}

TEST(HttpTransport, AnAnswerBeforeItsTimeEndsTheSending) {
  RawServer server([](const std::string&, const std::string&) { return std::string(); });
  server.answer_early("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch");
  const auto transport = make_http_transport();
  const std::string body(64 << 20, 'b');  // more than any socket's buffers take
  HttpRequest request;
  request.method = "PUT";
  request.url = server.url();
  request.body = body;
  for (const bool expect : {false, true}) {
    request.expect_continue = expect;
    const Monotonic began = system_clock().monotonic();
    const auto answer = transport->send(request, in(Seconds(20)));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 413);
    EXPECT_EQ(answer->body, "much");
    EXPECT_LT(system_clock().monotonic() - began, Seconds(10));
  }
  EXPECT_EQ(server.connections(), 2) << "where a body is owed, nothing else can be sent";
}

TEST(HttpTransport, WhoDoesNotKnowExpectIsSentTheBody) {
  std::atomic<int> asked = 0;
  std::string head_seen;
  RawServer server([&](const std::string& head, const std::string&) {
    head_seen = head;
    ++asked;
    return head.find("Expect:") != std::string::npos
               ? "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"
               : ok("x");
  });
  HttpRequest request;
  request.method = "PUT";
  request.url = server.url();
  request.body = "body";
  request.expect_continue = true;
  const auto answer = make_http_transport()->send(request, in(Seconds(5)));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(asked, 2);
  EXPECT_THAT(head_seen, Not(HasSubstr("Expect:")));
}

TEST(HttpTransport, AChunkedAnswerComesWholeAndKeepsTheConnection) {
  RawServer server([](const std::string&, const std::string&) {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
           "chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n";
  });
  const auto transport = make_http_transport();
  for (int i = 0; i < 2; ++i) {
    const auto answer = transport->send({.url = server.url()}, in(Seconds(5)));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, "abcd");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpTransport, ASilentPeerIsGivenUpBeforeTheDeadline) {
  std::atomic<bool> silent = true;
  RawServer server([&](const std::string&, const std::string&) {
    while (silent) std::this_thread::sleep_for(Milliseconds(5));
    return std::string();
  });
  const auto transport = make_http_transport({.stall_timeout = Milliseconds(100)});
  const Monotonic began = system_clock().monotonic();
  const auto answer = transport->send({.url = server.url()}, in(Seconds(30)));
  silent = false;
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::Timeout);
  EXPECT_LT(system_clock().monotonic() - began, Seconds(10));
}

TEST(HttpTransport, TheLengthOfTheBodyIsStatedOnce) {
  std::string head_seen;
  RawServer server([&](const std::string& head, const std::string&) {
    head_seen = head;
    return ok("");
  });
  HttpRequest request{.method = "POST", .url = server.url()};
  request.headers = {{"content-length", "7"}, {"Transfer-Encoding", "chunked"}};
  request.body = "four";
  ASSERT_TRUE(make_http_transport()->send(request, in(Seconds(5))));
  EXPECT_THAT(head_seen, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_THAT(head_seen, Not(HasSubstr("content-length")));
  EXPECT_THAT(head_seen, Not(HasSubstr("Transfer-Encoding")));
}

// A server over TLS that answers how large the body was and over which connection.
class TlsServer {
 public:
  explicit TlsServer(TlsOptions options) {
    auto context = TlsContext::make(TlsContext::Role::Server, std::move(options));
    EXPECT_TRUE(context) << context.error().message;
    server_ =
        HttpServer::start({.max_body_bytes = 8 << 20, .tls = *context},
                          [](const ServerRequest& request) {
                            return ServerResponse{.headers = {{"X-Peer", request.peer}},
                                                  .body = std::to_string(request.body.size())};
                          })
            .value();
  }
  [[nodiscard]] uint16_t port() const { return server_->port(); }
  [[nodiscard]] std::string url(const std::string& host) const {
    return "https://" + host + ":" + std::to_string(port()) + "/";
  }

 private:
  std::unique_ptr<HttpServer> server_;
};

TEST(HttpTransportTls, OneConnectionForManyRequestsAndLargeBodies) {
  testing::TestCertificates certificates;
  const auto files = certificates.issue("localhost");
  const TlsServer server({.crt_file = files.certificate, .key_file = files.key});
  const auto transport = make_http_transport({.ca_file = certificates.authority()});
  std::string first_peer;
  for (const size_t size : {0, 1, 16384, 65536, 65537, 3 << 20}) {
    const std::string body(size, 'x');
    HttpRequest request{.method = "POST", .url = server.url("localhost")};
    request.body = body;
    const auto answer = transport->send(request, in(Seconds(10)));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->body, std::to_string(size));
    if (first_peer.empty()) first_peer = answer->headers.get("X-Peer");
    EXPECT_EQ(answer->headers.get("X-Peer"), first_peer);
  }
}

TEST(HttpTransportTls, WhomWeDoNotTrustGetsNothing) {
  testing::TestCertificates certificates, others;
  const auto files = certificates.issue("router.example");
  const TlsServer server({.crt_file = files.certificate, .key_file = files.key});
  const HttpRequest request{.url = server.url("127.0.0.1")};
  const auto send = [&](const HttpTransportOptions& options) {
    return make_http_transport(options)->send(request, in(Seconds(10)));
  };
  const auto unknown = send({.ca_file = others.authority(), .tls_name = "router.example"});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::Denied) << unknown.error().message;
  const auto other_name = send({.ca_file = certificates.authority()});
  ASSERT_FALSE(other_name);
  EXPECT_EQ(other_name.error().code, ErrorCode::Denied) << other_name.error().message;
  const auto missing = send({.ca_file = "/nowhere/ca.pem"});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::Denied) << missing.error().message;
  EXPECT_THAT(missing.error().message, HasSubstr("/nowhere/ca.pem"));
  EXPECT_TRUE(send({.ca_file = certificates.authority(), .tls_name = "router.example"}));
  EXPECT_TRUE(send({.verify_host = false, .ca_file = certificates.authority()}));
  EXPECT_TRUE(send({.verify_tls = false}));
}

TEST(HttpTransportTls, ShowsOurCertificate) {
  testing::TestCertificates certificates;
  const auto files = certificates.issue("localhost");
  const auto ours = certificates.issue("router", "secret");
  const TlsServer server({.verify_client_cert = true,
                          .ca_file = certificates.authority(),
                          .crt_file = files.certificate,
                          .key_file = files.key});
  const HttpRequest request{.url = server.url("localhost")};
  HttpTransportOptions options{.ca_file = certificates.authority()};
  EXPECT_FALSE(make_http_transport(options)->send(request, in(Seconds(10))));
  options.certificate_file = ours.certificate;
  options.key_file = ours.key;
  options.key_password = "secret";
  const auto answer = make_http_transport(options)->send(request, in(Seconds(10)));
  EXPECT_TRUE(answer) << answer.error().message;
}

// Connects one client to `port` of this machine, whatever host it asks for, and carries the bytes.
class TunnelProxy {
 public:
  explicit TunnelProxy(uint16_t port, std::string refusal = {})
      : port_(port), refusal_(std::move(refusal)) {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    listening_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TunnelProxy() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  [[nodiscard]] uint16_t port() const { return listening_; }
  [[nodiscard]] std::string head() {  // of the CONNECT
    const MutexLock lock(mutex_);
    return head_;
  }

 private:
  void serve() {
    const UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.valid()) return;
    std::string head;
    char c = 0;
    while (!head.ends_with("\r\n\r\n") && ::recv(client.get(), &c, 1, 0) == 1) head += c;
    {
      const MutexLock lock(mutex_);
      head_ = head;
    }
    const std::string answer =
        refusal_.empty() ? "HTTP/1.1 200 Connection established\r\n\r\n" : refusal_;
    ::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    if (!refusal_.empty()) return;
    const UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    if (::connect(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return;
    std::array<pollfd, 2> ends{pollfd{client.get(), POLLIN, 0}, pollfd{server.get(), POLLIN, 0}};
    std::vector<char> bytes(64 << 10);
    while (::poll(ends.data(), ends.size(), -1) > 0) {
      for (size_t i = 0; i < ends.size(); ++i) {
        if (ends[i].revents == 0) continue;
        const ssize_t count = ::recv(ends[i].fd, bytes.data(), bytes.size(), 0);
        if (count <= 0) return;
        ::send(ends[1 - i].fd, bytes.data(), static_cast<size_t>(count), MSG_NOSIGNAL);
      }
    }
  }

  const uint16_t port_;
  const std::string refusal_;
  UniqueFd listener_;
  uint16_t listening_ = 0;
  Mutex mutex_;
  std::string head_ GUARDED_BY(mutex_);
  std::thread thread_;
};

TEST(HttpTransportProxy, HttpsGoesThroughATunnelThatSeesNothing) {
  testing::TestCertificates certificates;
  const auto files = certificates.issue("logs.example");
  const TlsServer server({.crt_file = files.certificate, .key_file = files.key});
  TunnelProxy proxy(server.port());
  HttpTransportOptions options{.ca_file = certificates.authority()};
  options.proxy = "http://user:p%40ss@127.0.0.1:" + std::to_string(proxy.port());
  {
    const auto transport = make_http_transport(options);
    for (int i = 0; i < 2; ++i) {  // over one tunnel: the proxy takes one client
      const auto answer =
          transport->send({.url = "https://logs.example/secret/path"}, in(Seconds(10)));
      ASSERT_TRUE(answer) << answer.error().message;
      EXPECT_EQ(answer->status, 200);
    }
  }
  const std::string head = proxy.head();
  EXPECT_TRUE(head.starts_with("CONNECT logs.example:443 HTTP/1.1\r\n")) << head;
  EXPECT_THAT(head, HasSubstr("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("secret")));
}

TEST(HttpTransportProxy, WhatTheProxyRefusesIsSaid) {
  TunnelProxy proxy(1,
                    "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nno!");
  HttpTransportOptions options;
  options.proxy = "http://user:password@127.0.0.1:" + std::to_string(proxy.port());
  const auto answer =
      make_http_transport(options)->send({.url = "https://logs.example/"}, in(Seconds(10)));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::Denied);
  EXPECT_THAT(answer.error().message, HasSubstr("407"));
  EXPECT_THAT(answer.error().message, Not(HasSubstr("password")));
}

TEST(HttpTransportProxy, TheEnvironmentDecidesUnlessToldOtherwise) {
  RawServer server([](const std::string&, const std::string&) { return ok("direct"); });
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);  // nobody there
  const HttpRequest request{.url = server.url()};
  const auto refused = make_http_transport()->send(request, in(Seconds(5)));
  EXPECT_TRUE(make_http_transport({.use_proxy_environment = false})->send(request, in(Seconds(5))));
  ::setenv("no_proxy", "169.254.169.254,127.0.0.0/8", 1);
  EXPECT_TRUE(make_http_transport()->send(request, in(Seconds(5))));
  ::unsetenv("http_proxy");
  ::unsetenv("no_proxy");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Unavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("proxy"));
}

}  // namespace
}  // namespace noroshi
