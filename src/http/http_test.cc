#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <random>
#include <thread>

#include "base/thread_deadline.h"
#include "base/unique_fd.h"
#include "http/http_client.h"
#include "http/testing/fake_http_transport.h"
#include "http/url.h"

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

TEST(HttpHeaders, CompareWithoutCaseAndSetReplacesAll) {
  HttpHeaders headers{{"A", "1"}, {"b", "2"}, {"a", "3"}};
  EXPECT_EQ(headers.get("A"), "1");
  headers.set("a", headers.get("B"));
  EXPECT_EQ(headers.get("A"), "2");
  EXPECT_EQ(headers.size(), 2U);
  headers.erase("B");
  EXPECT_FALSE(headers.find("b"));
}

TEST(Url, ParsesAndWritesBack) {
  const auto url = parse_url("HTTPS://Logs.EU-west-1.amazonaws.com:8443/a/b?x=1&y");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "logs.eu-west-1.amazonaws.com");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/a/b");
  EXPECT_EQ(url->query, "x=1&y");
  EXPECT_EQ(url->to_string(), "https://logs.eu-west-1.amazonaws.com:8443/a/b?x=1&y");
  EXPECT_EQ(parse_url("http://[FD00:ec2::254]:80/x")->authority(), "[fd00:ec2::254]");
  EXPECT_EQ(parse_url("http://h:81")->authority(), "h:81");
  EXPECT_EQ(parse_url("https://h:443")->authority(), "h");
  EXPECT_EQ(parse_url("http://h?q")->query, "q");
  for (const char* bad :
       {"", "h", "ftp://h", "http://", "http://u@h/", "http://h:0", "http://h:65536", "http://h:1x",
        "http://[::1", "http://[::1]x", "http://[g]", "http://a b", "http://h/\n", "http://h/#f",
        "http://h\\x/", "http://[]/"}) {
    EXPECT_FALSE(parse_url(bad)) << bad;
  }
}

TEST(Url, PercentEncodingIsStrictAndReversible) {
  EXPECT_EQ(percent_encode("aZ09-_.~/ +%あ"), "aZ09-_.~%2F%20%2B%25%E3%81%82");
  EXPECT_EQ(percent_encode("a/b c", true), "a/b%20c");
  EXPECT_EQ(percent_decode("%41%zz%4"), "A%zz%4");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(encode_query(parse_query("a=1&b&c=%2F&&d=x=y")), "a=1&b=&c=%2F&d=x%3Dy");
}

TEST(FakeHttpTransport, PlaysBackAndKeeps) {
  testing::FakeHttpTransport fake;
  fake.answer(503, "busy", {{"Retry-After", "1"}});
  fake.fail(ErrorCode::Timeout);
  const auto first = fake.send({.url = "http://a/"}, {});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->status, 503);
  EXPECT_EQ(first->headers.get("retry-after"), "1");
  EXPECT_EQ(fake.send({.url = "http://b/"}, {}).error().code, ErrorCode::Timeout);
  EXPECT_EQ(fake.send({.url = "http://c/"}, {}).error().code, ErrorCode::Unavailable);
  ASSERT_EQ(fake.requests().size(), 3U);
  EXPECT_EQ(fake.requests()[1].url, "http://b/");
}

}  // namespace
}  // namespace noroshi
