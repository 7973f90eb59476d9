// The HTTP client: one request, one answer, one deadline. Knows nothing of AWS.
//
// HttpTransport is the seam for tests (http/testing/fake_http_transport.h plays answers back). The
// real one, make_http_transport(), speaks HTTP/1.1 and keeps a few connections alive: one per
// thread, not thread-safe, cheap to keep. Redirects are answers like any other: they are
// never followed, because a signed request must be signed again for another host.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace noroshi {

// In order of arrival; names compare without case. A handful of entries, so lookups are linear.
class HttpHeaders {
 public:
  struct Entry {
    std::string name;
    std::string value;
  };

  HttpHeaders() = default;
  HttpHeaders(std::initializer_list<Entry> entries) : entries_(entries) {}
  // The first value under that name; nullopt if there is none.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  // find(), with an empty answer for a missing header.
  [[nodiscard]] std::string_view get(std::string_view name) const {
    return find(name).value_or("");
  }
  // Replaces all values of that name.
  void set(std::string_view name, std::string_view value);
  void add(std::string_view name, std::string_view value);
  void erase(std::string_view name);
  [[nodiscard]] auto begin() const { return entries_.begin(); }
  [[nodiscard]] auto end() const { return entries_.end(); }
  [[nodiscard]] size_t size() const { return entries_.size(); }

 private:
  std::vector<Entry> entries_;
};

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

// A range of an open file, streamed with pread: the descriptor's own position does not move.
struct HttpFileBody {
  int fd = -1;
  uint64_t position = 0;  // bytes from the start of the file
  uint64_t size = 0;      // bytes to send
};

struct HttpRequest {
  std::string method = "GET";
  std::string url = {};  // absolute, already encoded; sent as it is (no dot-segment removal)
  HttpHeaders headers = {};
  std::string_view body = {};             // borrowed: must live until send() returns
  std::optional<HttpFileBody> file = {};  // instead of `body`
  // Ask before sending the body (Expect: 100-continue; waits 1 s at most): for large uploads.
  bool expect_continue = false;
  // A longer answer is cut there and marked; bounds memory.
  size_t response_bytes_max = 1 << 20;
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers = {};
  std::string body = {};
  bool body_cut = false;  // longer than response_bytes_max

  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
};

class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  // Blocks until the answer is complete or `deadline`, or the thread's own (ThreadDeadline), has
  // passed. Every status is an answer, not an
  // error. Errors: Timeout; Unavailable (resolve, connect, TLS, reset); InvalidArgument (the URL);
  // Denied (the peer's certificate is not trusted); Io (the file body).
  [[nodiscard]] virtual Result<HttpResponse> send(const HttpRequest& request,
                                                  Monotonic deadline) = 0;
};

struct HttpTransportOptions {
  Nanoseconds connect_timeout = Seconds(10);  // resolve + TCP + TLS
  // Below this many bytes a second for `stall_timeout` the peer counts as dead before the deadline.
  Nanoseconds stall_timeout = Seconds(30);
  // CloudWatch Logs closes idle connections after 6 s; reusing one at 5.9 s is a lost request.
  Nanoseconds keep_alive_idle_max = Seconds(4);
  bool keep_alive = true;    // off: every request has a connection of its own
  bool verify_tls = true;    // certificate chain and host name
  bool verify_host = true;   // off: the chain only
  std::string ca_file = {};  // PEM bundle; empty: the system's
  std::string ca_path = {};
  std::string certificate_file = {};  // ours, PEM, for mutual TLS
  std::string key_file = {};          // its key
  std::string key_password = {};
  std::string tls_name = {};  // expected in the certificate and sent as SNI instead of the host
  std::string proxy = {};     // "http://user:password@host:port"; before the environment's
  // HTTPS_PROXY, HTTP_PROXY, NO_PROXY. Off for the metadata endpoints, which must never go to a
  // proxy.
  bool use_proxy_environment = true;
};

// "noroshi/1.2.3", sent as User-Agent unless the request has one.
[[nodiscard]] std::string_view http_user_agent();

// Never fails; what is wrong with the options shows at the first send().
[[nodiscard]] std::unique_ptr<HttpTransport> make_http_transport(
    const HttpTransportOptions& options = {});

}  // namespace noroshi
