// What a client of our HTTP server sends, as bytes on a socket: heads, bodies with a length and in
// chunks, several requests behind each other, garbage. However the bytes are cut, the same requests
// must reach the handler, with the same bodies, and the same answers must come back: one for each,
// in order (compare() says where a difference is meant). No byte of a body is made up, and no limit
// is passed.
//
// Input: the first byte chooses the pieces; the rest is what the client sends. The target of a
// request says what its handler does: a path with 'n' wants no body, 'l' answers later, 'c' closes,
// 't' throws.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <charconv>
#include <span>
#include <stdexcept>

#include "base/check.h"
#include "net/http_server_connection.h"

namespace noroshi {
namespace {

constexpr size_t kHeaderBytesMax = 600;
constexpr size_t kBodyBytesMax = 3000;
constexpr size_t kInputBytesMax = 16 << 10;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

struct Heard {
  std::vector<std::string> requests;  // each in one text: head, what was taken of the body
  size_t body_bytes = 0;
  std::string answers;
  size_t too_large_at = SIZE_MAX;  // the first request whose body was
};

class Exchange final : public HttpExchange {
 public:
  Exchange(ServerRequest head, Heard& heard, boost::asio::io_context& context)
      : head_(std::move(head)), heard_(heard), context_(context) {
    size_t bytes = head_.method.size() + head_.target.size();
    for (const ServerHeader& header : head_.headers)
      bytes += header.name.size() + header.value.size();
    CHECK(bytes <= kHeaderBytesMax, "a head larger than its limit");
    CHECK(head_.body.empty(), "a body before it was taken");
  }

  bool wants_body() override { return !path_has('n'); }
  bool take(std::string_view piece) override {
    CHECK(!piece.empty() && !refused_, "an empty piece, or one that nobody wanted");
    // As the real ones: a piece that does not fit is not taken.
    if (body_.size() + piece.size() > kBodyBytesMax) {
      refused_ = true;
      body_.clear();
      return false;
    }
    body_.append(piece);
    heard_.body_bytes += piece.size();
    return true;
  }
  ServerResponse finish() override {
    std::string text = head_.method + ' ' + head_.target + '\n';
    for (const ServerHeader& header : head_.headers)
      text += header.name + ": " + header.value + '\n';
    text += refused_ ? "too large" : body_;
    if (refused_) heard_.too_large_at = std::min(heard_.too_large_at, heard_.requests.size());
    heard_.requests.push_back(text);
    if (path_has('t')) throw std::runtime_error("on purpose");
    ServerResponse response;
    response.status = refused_ ? 413 : path_has('2') ? 204 : 200;
    response.headers = {{"X-Target", head_.target}};
    response.body = std::to_string(heard_.requests.size()) + '\n';
    response.close = path_has('c');
    return response;
  }
  void finish_later(std::function<void(ServerResponse)> answer) override {
    if (!path_has('l')) return answer(finish());
    boost::asio::post(context_, [answer = std::move(answer), response = finish()]() mutable {
      answer(std::move(response));
    });
  }

 private:
  [[nodiscard]] bool path_has(char c) const { return head_.path().find(c) != std::string::npos; }

  const ServerRequest head_;
  Heard& heard_;
  boost::asio::io_context& context_;
  std::string body_;
  bool refused_ = false;
};

// Everything that can happen now has happened.
void settle(boost::asio::io_context& context, int client, Heard& heard) {
  for (bool moved = true; moved;) {
    context.restart();
    moved = context.poll() > 0;
    char bytes[16384];
    ssize_t size = 0;
    while ((size = ::recv(client, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
      moved = true;
      heard.answers.append(bytes, static_cast<size_t>(size));
    }
  }
}

Heard serve(std::string_view bytes, size_t piece) {
  Heard heard;
  boost::asio::io_context context(1);
  LogEpisode failed_handshakes;
  const HttpServerOptions options{.max_header_bytes = kHeaderBytesMax};
  const HttpExchangeFactory factory = [&](ServerRequest head) {
    return std::make_unique<Exchange>(std::move(head), heard, context);
  };
  int ends[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "a pair of sockets");
  UniqueFd client(ends[0]);
  bool done = false;
  // To the server it is a TCP socket: what only those have fails, and is ignored.
  boost::asio::ip::tcp::socket socket(context, boost::asio::ip::tcp::v4(), ends[1]);
  HttpServerConnection connection(std::move(socket), context.get_executor(), options, factory,
                                  failed_handshakes);
  boost::asio::co_spawn(connection.get_executor(), connection.serve(),
                        [&](const std::exception_ptr& failure) {
                          CHECK(!failure, "nothing is thrown out of a connection");
                          done = true;
                        });
  settle(context, client.get(), heard);
  while (!bytes.empty() && !done) {
    const std::string_view part = bytes.substr(0, piece);
    const ssize_t sent =
        ::send(client.get(), part.data(), part.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    CHECK(sent >= 0 || errno != EAGAIN, "a server that reads nothing and does not leave");
    if (sent < 0) break;  // the server has left
    bytes.remove_prefix(static_cast<size_t>(sent));
    settle(context, client.get(), heard);
  }
  ::shutdown(client.get(), SHUT_WR);
  settle(context, client.get(), heard);
  CHECK(done, "a connection whose client has left ends");
  return heard;
}

struct Answer {
  int status;
  std::string text;  // without its date
  friend bool operator==(const Answer&, const Answer&) = default;
};

struct Answers {
  std::vector<Answer> to_requests;
  int refusal = 0;  // of a broken head behind them, if any
};

// They must be whole. 100 Continue is left out.
Answers answers_of(std::string_view rest, size_t requests) {
  std::vector<Answer> found;
  while (!rest.empty()) {
    if (rest.starts_with(kContinue)) {
      rest.remove_prefix(kContinue.size());
      continue;
    }
    int status = 0;
    CHECK(rest.starts_with("HTTP/1.1 ") &&
              std::from_chars(rest.data() + 9, rest.data() + 12, status).ec == std::errc(),
          "an answer begins with its status");
    const size_t head_end = rest.find("\r\n\r\n");
    CHECK(head_end != rest.npos, "an answer has a head");
    std::string head(rest.substr(0, head_end));
    const size_t date = head.find("\r\nDate: ");
    CHECK(date != head.npos, "an answer has a date");
    head.erase(date, head.find("\r\n", date + 2) - date);
    rest.remove_prefix(head_end + 4);
    size_t length = 0;
    const size_t length_at = head.find("\r\nContent-Length: ");
    CHECK((length_at != head.npos) == (status != 204), "a body has a length");
    if (length_at != head.npos) {
      const char* const from = head.data() + length_at + 18;
      CHECK(std::from_chars(from, head.data() + head.size(), length).ec == std::errc(), "a length");
    }
    std::string text = head;
    // An answer to HEAD has none of its body.
    const bool to_head = length > 0 && (rest.empty() || rest.starts_with("HTTP/1.1 "));
    if (!to_head) {
      CHECK(rest.size() >= length, "an answer is whole");
      text += rest.substr(0, length);
      rest.remove_prefix(length);
    }
    found.push_back({status, std::move(text)});
  }
  CHECK(found.size() == requests || found.size() == requests + 1, "one answer for each request");
  int refusal = 0;
  if (found.size() > requests) {
    refusal = found.back().status;
    CHECK(refusal == 400 || refusal == 431 || refusal == 500, "only heads are refused");
    found.pop_back();
  }
  return {std::move(found), refusal};
}

// Where pieces may make a difference:
// - a broken head is refused as soon as it is noticed, which may be before its end or never;
// - a head that passes the limit by some bytes is refused or not, as the limit is looked at between
//   two reads;
// - a body that is too large ends the connection, unless all of it had arrived by then.
void compare(const Heard& whole, const Answers& whole_answers, const Heard& cut,
             const Answers& cut_answers) {
  const size_t too_large = std::min(whole.too_large_at, cut.too_large_at);
  const bool head_too_large = whole_answers.refusal == 431 || cut_answers.refusal == 431;
  size_t count = std::min(whole.requests.size(), cut.requests.size());
  if (too_large < count) {
    const int status = whole_answers.to_requests[too_large].status;
    CHECK(status == 413 || status == 500, "it was refused");
    count = too_large;
    CHECK(whole.requests[count] == cut.requests[count], "another body is too large");
  } else {
    CHECK(head_too_large || whole.requests.size() == cut.requests.size(),
          "pieces make more or fewer requests");
  }
  CHECK(std::ranges::equal(std::span(whole.requests).first(count),
                           std::span(cut.requests).first(count)),
        "pieces make other requests");
  CHECK(std::ranges::equal(std::span(whole_answers.to_requests).first(count),
                           std::span(cut_answers.to_requests).first(count)),
        "pieces make other answers");
}

}  // namespace
}  // namespace noroshi

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi;
  if (size < 2 || size > kInputBytesMax) return 0;
  set_log_level(LogLevel::Off);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Heard whole = serve(bytes, bytes.size());
  CHECK(whole.body_bytes <= bytes.size(), "a body that was not sent");
  const auto whole_answers = answers_of(whole.answers, whole.requests.size());
  Heard cut = serve(bytes, 1 + data[0] % 97);
  const auto cut_answers = answers_of(cut.answers, cut.requests.size());
  compare(whole, whole_answers, cut, cut_answers);
  return 0;
}
