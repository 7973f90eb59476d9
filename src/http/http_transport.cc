// HttpTransport over StreamClient: HTTP/1.1, one request at a time, connections kept for the next.
//
// - A kept connection that turns out dead before a byte of the answer came back is replaced, and
//   the request sent again, once. Bodies can be rewound: a view, or a range of a file.
// - Expect: 100-continue is asked only where a large body may be refused. An answer that comes
//   before the body is sent ends the sending.
// - The request line is exactly what was signed.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "base/thread_deadline.h"
#include "http/http_client.h"
#include "http/proxy.h"
#include "http/response_parser.h"
#include "http/url.h"
#include "net/stream_client.h"
#include "net/tls.h"

namespace noroshi {
namespace {

constexpr size_t kConnectionsKept = 4;  // one host each, plus one for a redirect
constexpr Seconds kExpectWait{1};
// A body is sent in pieces of this size, each of which has stall_timeout: with TLS four records.
constexpr size_t kPieceBytes = 64 << 10;
constexpr size_t kReadBytes = 16 << 10;
constexpr size_t kProxyAnswerBytesMax = 4 << 10;

// Whom to connect to for a request. Two with the same key can share a connection.
struct Route {
  Url url = {};
  std::optional<Proxy> proxy = {};
  std::string key = {};

  [[nodiscard]] bool tls() const { return url.scheme == "https"; }
  [[nodiscard]] std::string host() const {  // IPv6 without brackets
    return url.host.starts_with('[') ? url.host.substr(1, url.host.size() - 2) : url.host;
  }
};

std::string environment_variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

bool is_header_broken(const HttpHeaders::Entry& header) {
  return header.name.empty() || header.name.find_first_of("\r\n: ") != std::string::npos ||
         header.value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos;
}

// Whatever a socket, a name server or TLS said: the peer cannot be asked now.
Error as_unavailable(Error error) {
  if (error.code != ErrorCode::Timeout && error.code != ErrorCode::Denied &&
      error.code != ErrorCode::InvalidArgument)
    error.code = ErrorCode::Unavailable;
  return error;
}

// The body of a request, in pieces.
class BodySource {
 public:
  explicit BodySource(const HttpRequest& request) : request_(request) {
    if (request.file) buffer_.resize(std::min<uint64_t>(kPieceBytes, request.file->size));
  }
  [[nodiscard]] uint64_t size() const {
    return request_.file ? request_.file->size : request_.body.size();
  }
  // At most kPieceBytes from `position` on; valid until the next call. Io: the file cannot be read.
  [[nodiscard]] Result<std::string_view> piece(uint64_t position) {
    const size_t wanted = std::min<uint64_t>(kPieceBytes, size() - position);
    if (!request_.file) return request_.body.substr(position, wanted);
    ssize_t got = 0;
    do {
      got = ::pread(request_.file->fd, buffer_.data(), wanted,
                    static_cast<off_t>(request_.file->position + position));
    } while (got < 0 && errno == EINTR);
    if (got < 0) return fail_errno(errno, "reading the body");
    if (got == 0 && wanted != 0)
      return fail(ErrorCode::Io, "the file to send is shorter than announced");
    return std::string_view(buffer_.data(), static_cast<size_t>(got));
  }

 private:
  const HttpRequest& request_;
  std::string buffer_;
};

class StreamTransport final : public HttpTransport {
 public:
  explicit StreamTransport(HttpTransportOptions options) : options_(std::move(options)) {}
  Result<HttpResponse> send(const HttpRequest& request, Monotonic deadline) override;

 private:
  struct Kept {
    std::string key;
    std::unique_ptr<StreamClient> client;
    Monotonic last_used;
  };
  // One attempt over one connection.
  struct Attempt {
    StreamClient& client;
    ResponseParser& parser;
    Monotonic deadline;
    bool body_sent = false;    // whole
    bool file_failed = false;  // our own body could not be read
  };

  [[nodiscard]] Result<HttpResponse> send_by(const Route& route, const HttpRequest& request,
                                             Monotonic deadline);
  [[nodiscard]] Result<Route> route_of(Url url) const;
  [[nodiscard]] std::string head_of(const HttpRequest& request, const Route& route,
                                    bool expect) const;
  // A kept connection that seems alive; null: none.
  [[nodiscard]] std::unique_ptr<StreamClient> take_kept(const std::string& key);
  void keep(const std::string& key, std::unique_ptr<StreamClient> client);
  [[nodiscard]] Result<std::unique_ptr<StreamClient>> connect(const Route& route,
                                                              Monotonic deadline);
  [[nodiscard]] Status open_tunnel(StreamClient& client, const Route& route, Monotonic deadline);
  [[nodiscard]] Result<std::shared_ptr<TlsContext>> tls();

  [[nodiscard]] Status exchange(Attempt& attempt, const HttpRequest& request, std::string head,
                                bool expect);
  [[nodiscard]] Status send_request(Attempt& attempt, const HttpRequest& request, std::string head,
                                    bool expect);
  // False: the answer has begun, the rest of the request is not wanted.
  [[nodiscard]] Result<bool> write_request(Attempt& attempt, std::string_view bytes);
  // Once: what has come by then.
  [[nodiscard]] Status read_some(StreamClient& client, ResponseParser& parser, Monotonic deadline);
  [[nodiscard]] Status read_answer(Attempt& attempt);
  // The end of one read or write: the peer may be silent that long.
  [[nodiscard]] Monotonic stall_deadline(Monotonic deadline) const {
    return std::min(deadline, system_clock().monotonic() + options_.stall_timeout);
  }

  const HttpTransportOptions options_;
  std::shared_ptr<TlsContext> tls_;  // made for the first https request
  std::vector<Kept> kept_;           // the one used last is at the end
};

Result<Route> StreamTransport::route_of(Url url) const {
  Route route{.url = std::move(url)};
  if (!options_.proxy.empty()) {
    NOROSHI_ASSIGN(route.proxy, parse_proxy(options_.proxy));
  } else if (options_.use_proxy_environment) {
    NOROSHI_ASSIGN(route.proxy, proxy_of_environment(route.url, environment_variable));
  }
  // A connection to a proxy in clear serves any host; a tunnel through it is for one.
  if (!route.proxy || route.tls())
    route.key = fmt::format("{}://{}", route.url.scheme, route.url.authority());
  if (route.proxy) route.key += fmt::format(" by {}:{}", route.proxy->host, route.proxy->port);
  return route;
}

std::string StreamTransport::head_of(const HttpRequest& request, const Route& route,
                                     bool expect) const {
  std::string head = request.method + " ";
  const bool whole_url = route.proxy && !route.tls();
  if (whole_url) head += route.url.scheme + "://" + route.url.authority();
  // As it was given: a parsed and rebuilt URL might differ from what was signed.
  const size_t target = request.url.find_first_of("/?", request.url.find("://") + 3);
  if (target == std::string::npos || request.url[target] == '?') head += '/';
  if (target != std::string::npos) head.append(request.url, target);
  head += " HTTP/1.1\r\n";
  const auto add = [&head](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
  };
  const auto add_missing = [&](std::string_view name, std::string_view value) {
    if (!request.headers.find(name)) add(name, value);
  };
  add_missing("Host", route.url.authority());
  add_missing("User-Agent", http_user_agent());
  add_missing("Accept", "*/*");
  if (whole_url && !route.proxy->authorization.empty())
    add_missing("Proxy-Authorization", route.proxy->authorization);
  for (const auto& [name, value] : request.headers) {
    // How long the body is, only we say: two statements of it could be read in two ways.
    if (equal_ignoring_case(name, "Content-Length")) continue;
    if (equal_ignoring_case(name, "Transfer-Encoding")) continue;
    add(name, value);
  }
  const uint64_t size = request.file ? request.file->size : request.body.size();
  if (size != 0 || request.file || request.method == "POST" || request.method == "PUT")
    add("Content-Length", std::to_string(size));
  if (expect) add("Expect", "100-continue");
  if (!options_.keep_alive) add_missing("Connection", "close");
  return head += "\r\n";
}

std::unique_ptr<StreamClient> StreamTransport::take_kept(const std::string& key) {
  const Monotonic now = system_clock().monotonic();
  std::erase_if(kept_, [&](const Kept& one) {
    return now - one.last_used >= options_.keep_alive_idle_max || !one.client->reusable();
  });
  const auto found = std::ranges::find(kept_, key, &Kept::key);
  if (found == kept_.end()) return nullptr;
  std::unique_ptr<StreamClient> client = std::move(found->client);
  kept_.erase(found);
  return client;
}

void StreamTransport::keep(const std::string& key, std::unique_ptr<StreamClient> client) {
  if (kept_.size() >= kConnectionsKept) kept_.erase(kept_.begin());
  kept_.push_back({key, std::move(client), system_clock().monotonic()});
}

Result<std::shared_ptr<TlsContext>> StreamTransport::tls() {
  if (tls_) return tls_;
  auto made = TlsContext::make(TlsContext::Role::Client, {.enabled = true,
                                                          .verify = options_.verify_tls,
                                                          .verify_hostname = options_.verify_host,
                                                          .ca_file = options_.ca_file,
                                                          .ca_path = options_.ca_path,
                                                          .crt_file = options_.certificate_file,
                                                          .key_file = options_.key_file,
                                                          .key_passwd = options_.key_password,
                                                          .vhost = options_.tls_name});
  // The request is right, and will be sent when somebody has put the file in its place.
  if (!made) return fail(ErrorCode::Denied, std::move(made.error().message));
  return tls_ = *std::move(made);
}

Result<std::unique_ptr<StreamClient>> StreamTransport::connect(const Route& route,
                                                               Monotonic deadline) {
  deadline = std::min(deadline, system_clock().monotonic() + options_.connect_timeout);
  std::shared_ptr<TlsContext> tls_context;
  if (route.tls()) {
    NOROSHI_ASSIGN(tls_context, tls());
  }
  if (!route.proxy) {
    return StreamClient::connect({.host = route.host(), .port = route.url.effective_port()},
                                 tls_context, deadline);
  }
  auto client = StreamClient::connect({.host = route.proxy->host, .port = route.proxy->port},
                                      nullptr, deadline);
  if (!client) return std::unexpected(std::move(client.error()).with_context("proxy"));
  if (tls_context) {
    NOROSHI_TRY(open_tunnel(**client, route, deadline));
    NOROSHI_TRY((*client)->start_tls(*tls_context, route.host(), deadline));
  }
  return client;
}

Status StreamTransport::open_tunnel(StreamClient& client, const Route& route, Monotonic deadline) {
  const std::string to = fmt::format("{}:{}", route.url.host, route.url.effective_port());
  std::string head = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nUser-Agent: {1}\r\n", to,
                                 http_user_agent());
  if (!route.proxy->authorization.empty())
    head += "Proxy-Authorization: " + route.proxy->authorization + "\r\n";
  NOROSHI_TRY(client.write(head + "\r\n", deadline));
  ResponseParser parser(true, kProxyAnswerBytesMax);
  while (!parser.done()) NOROSHI_TRY(read_some(client, parser, deadline));
  const HttpResponse answer = parser.take();
  if (answer.ok()) return {};
  return fail(answer.status == 407 ? ErrorCode::Denied : ErrorCode::Unavailable,
              fmt::format("proxy {} answered {} to CONNECT {}", client.peer(), answer.status, to));
}

Status StreamTransport::read_some(StreamClient& client, ResponseParser& parser,
                                  Monotonic deadline) {
  std::array<char, kReadBytes> buffer;
  NOROSHI_ASSIGN(const size_t count, client.read(buffer, stall_deadline(deadline)));
  if (count == 0 && !parser.begun())
    return fail(ErrorCode::Unavailable, client.peer() + " closed the connection without an answer");
  Status taken = count == 0 ? parser.put_end() : parser.put({buffer.data(), count});
  if (taken) return {};
  return std::unexpected(std::move(taken.error()).with_context(client.peer()));
}

Status StreamTransport::read_answer(Attempt& attempt) {
  while (!attempt.parser.done())
    NOROSHI_TRY(read_some(attempt.client, attempt.parser, attempt.deadline));
  return {};
}

Result<bool> StreamTransport::write_request(Attempt& attempt, std::string_view bytes) {
  while (!bytes.empty()) {
    NOROSHI_ASSIGN(const size_t written,
                   attempt.client.write_until_input(bytes, stall_deadline(attempt.deadline)));
    bytes.remove_prefix(written);
    if (bytes.empty()) break;
    // An answer before its time, or a late 100 Continue.
    NOROSHI_TRY(read_some(attempt.client, attempt.parser, attempt.deadline));
    if (attempt.parser.has_head()) return false;
  }
  return true;
}

Status StreamTransport::send_request(Attempt& attempt, const HttpRequest& request, std::string head,
                                     bool expect) {
  BodySource body(request);
  uint64_t position = 0;
  if (!expect && !request.file) {  // head and the body's beginning leave together
    position = std::min(request.body.size(), kPieceBytes);
    head += request.body.substr(0, position);
  }
  NOROSHI_ASSIGN(bool wanted, write_request(attempt, head));
  if (wanted && expect) {
    const Monotonic patience = std::min(attempt.deadline, system_clock().monotonic() + kExpectWait);
    NOROSHI_ASSIGN(const bool spoken, attempt.client.wait_for_input(patience));
    if (spoken) NOROSHI_TRY(read_some(attempt.client, attempt.parser, attempt.deadline));
    wanted = !attempt.parser.has_head();
  }
  while (wanted && position < body.size()) {
    const auto piece = body.piece(position);
    if (!piece) {
      attempt.file_failed = true;
      return std::unexpected(piece.error());
    }
    NOROSHI_ASSIGN(wanted, write_request(attempt, *piece));
    position += piece->size();
  }
  attempt.body_sent = wanted;
  return {};
}

Status StreamTransport::exchange(Attempt& attempt, const HttpRequest& request, std::string head,
                                 bool expect) {
  const Status sent = send_request(attempt, request, std::move(head), expect);
  if (sent) return read_answer(attempt);
  // Who closes before it has read everything may have said why.
  if (attempt.file_failed || sent.error().code == ErrorCode::Timeout || !read_answer(attempt))
    return sent;
  return {};
}

Result<HttpResponse> StreamTransport::send_by(const Route& route, const HttpRequest& request,
                                              Monotonic deadline) {
  bool expect = request.expect_continue;
  std::unique_ptr<StreamClient> client = take_kept(route.key);
  for (;;) {
    const bool reused = client != nullptr;
    if (!reused) {
      auto connected = connect(route, deadline);
      if (!connected) return std::unexpected(as_unavailable(std::move(connected.error())));
      client = *std::move(connected);
    }
    ResponseParser parser(request.method == "HEAD", request.response_bytes_max);
    Attempt attempt{*client, parser, deadline};
    const Status done = exchange(attempt, request, head_of(request, route, expect), expect);
    if (!done) {
      client.reset();
      const bool was_dead = reused && !parser.begun() && !attempt.file_failed &&
                            done.error().code != ErrorCode::Timeout;
      if (was_dead) continue;
      if (attempt.file_failed) return std::unexpected(done.error());
      return std::unexpected(as_unavailable(done.error()));
    }
    const bool reusable = options_.keep_alive && attempt.body_sent && parser.connection_reusable();
    if (!reusable) client.reset();
    HttpResponse answer = parser.take();
    if (answer.status == 417 && expect) {  // does not know 100-continue
      expect = false;
      continue;
    }
    if (client) keep(route.key, std::move(client));
    return answer;
  }
}

Result<HttpResponse> StreamTransport::send(const HttpRequest& request, Monotonic deadline) {
  NOROSHI_ASSIGN(Url url, parse_url(request.url));
  // The query may carry signatures; the operator needs to know only whom we talked to.
  const std::string what = fmt::format("{} {}://{}", request.method, url.scheme, url.authority());
  if (std::min(deadline, ThreadDeadline::current()) <= system_clock().monotonic())
    return fail(ErrorCode::Timeout, what + ": no time left before sending");
  for (const HttpHeaders::Entry& header : request.headers) {
    if (is_header_broken(header)) {
      return fail(ErrorCode::InvalidArgument,
                  what + ": a header with a line break: " + header.name);
    }
  }
  const Result<Route> route = route_of(std::move(url));
  Result<HttpResponse> answer =
      route ? send_by(*route, request, deadline) : std::unexpected(route.error());
  if (answer) return answer;
  Error error = std::move(answer.error());
  if (error.code == ErrorCode::Timeout && ThreadDeadline::current() <= system_clock().monotonic())
    return fail(ErrorCode::Timeout, what + ": cut short by the shutdown");
  return std::unexpected(std::move(error).with_context(what));
}

}  // namespace

std::unique_ptr<HttpTransport> make_http_transport(const HttpTransportOptions& options) {
  return std::make_unique<StreamTransport>(options);
}

}  // namespace noroshi
