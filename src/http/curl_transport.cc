// HttpTransport over libcurl: one easy handle, driven through a multi handle of its own, because
// curl_easy_perform() looks up only once a second, and a shutdown may bring this thread's deadline
// forward while a peer keeps silent (base/thread_deadline.h).
//
// What is set here and why:
// - One handle, reused: the connection cache gives keep-alive. CURLOPT_MAXAGE_CONN drops idle
// connections
//   before the service does. If a reused connection turns out dead before a byte came back, libcurl
//   itself sends the request again on a new one; bodies can be rewound (POSTFIELDS, or the file by
//   pread).
// - Expect is libcurl's idea for every upload; we ask for it only where a large body may be
// refused.
// - PATH_AS_IS and CUSTOMREQUEST: the request line is exactly what was signed.
// - QUICK_EXIT: a name that does not resolve must not hold up shutdown.
#include <curl/curl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <mutex>

#include "base/check.h"
#include "base/thread_deadline.h"
#include "http/http_client.h"
#include "http/url.h"

namespace noroshi {
namespace {

constexpr long kConnectionsKept = 4;  // one host each, plus one for a redirect
constexpr size_t kHeaderLinesMax = 200;
constexpr long kExpectWaitMs = 1000;
// The longest wait for a socket before libcurl is asked for its own timers again.
constexpr Nanoseconds kPollMax = Seconds(1);
// libcurl reads a file body in pieces of this size: with TLS one piece is four records.
constexpr long kUploadBufferBytes = 64 << 10;

void initialise_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    CHECK(code == CURLE_OK, curl_easy_strerror(code));
    // With CURLOPT_NOSIGNAL (needed with threads) libcurl leaves SIGPIPE to the program, and
    // OpenSSL's writes raise it when a peer goes away. Its default would end the process.
    struct sigaction current{};
    if (sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) {
      std::signal(SIGPIPE, SIG_IGN);
    }
  });
}

long to_milliseconds(Nanoseconds duration) {
  return std::max<long>(1, static_cast<long>(std::chrono::ceil<Milliseconds>(duration).count()));
}

class HeaderList {
 public:
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  ~HeaderList() { curl_slist_free_all(list_); }
  void add(const std::string& line) {
    curl_slist* longer = curl_slist_append(list_, line.c_str());
    CHECK(longer != nullptr, "out of memory");
    list_ = longer;
  }
  [[nodiscard]] curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// What the callbacks of one transfer share.
struct Transfer {
  HttpResponse response;
  size_t response_bytes_max = 0;
  HttpFileBody file;
  uint64_t file_sent = 0;
  int file_errno = 0;
  bool file_short = false;
};

size_t on_header(char* data, size_t size, size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {
    // A new status line: what came before was 100 Continue or a proxy's answer.
    transfer.response.headers = {};
    return size * count;
  }
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n' || line.back() == ' ')) {
    line.remove_suffix(1);
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || transfer.response.headers.size() >= kHeaderLinesMax) {
    return size * count;
  }
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  transfer.response.headers.add(line.substr(0, colon), value);
  return size * count;
}

size_t on_body(char* data, size_t size, size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const size_t bytes = size * count;
  const size_t room = transfer.response_bytes_max - transfer.response.body.size();
  transfer.response.body.append(data, std::min(bytes, room));
  if (bytes > room) {
    transfer.response.body_cut = true;
    return 0;  // ends the transfer: the connection is given up, memory stays bounded
  }
  return bytes;
}

size_t on_read(char* data, size_t size, size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  const uint64_t left = transfer.file.size - transfer.file_sent;
  const size_t wanted = static_cast<size_t>(std::min<uint64_t>(size * count, left));
  if (wanted == 0) return 0;
  ssize_t got = 0;
  do {
    got = ::pread(transfer.file.fd, data, wanted,
                  static_cast<off_t>(transfer.file.position + transfer.file_sent));
  } while (got < 0 && errno == EINTR);
  if (got <= 0) {
    transfer.file_errno = got < 0 ? errno : 0;
    transfer.file_short = got == 0;
    return CURL_READFUNC_ABORT;
  }
  transfer.file_sent += static_cast<uint64_t>(got);
  return static_cast<size_t>(got);
}

int on_seek(void* context, curl_off_t offset, int origin) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (origin != SEEK_SET || offset < 0 || static_cast<uint64_t>(offset) > transfer.file.size) {
    return CURL_SEEKFUNC_CANTSEEK;
  }
  transfer.file_sent = static_cast<uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

ErrorCode classify(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorCode::Timeout;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return ErrorCode::InvalidArgument;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return ErrorCode::Denied;
    case CURLE_OUT_OF_MEMORY:
      return ErrorCode::Exhausted;
    default:
      return ErrorCode::Unavailable;
  }
}

class CurlTransport final : public HttpTransport {
 public:
  explicit CurlTransport(HttpTransportOptions options) : options_(std::move(options)) {
    initialise_curl_once();
    handle_ = curl_easy_init();
    multi_ = curl_multi_init();
    CHECK(handle_ != nullptr && multi_ != nullptr, "out of memory");
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kConnectionsKept);
  }
  CurlTransport(const CurlTransport&) = delete;
  CurlTransport& operator=(const CurlTransport&) = delete;
  ~CurlTransport() override {
    curl_easy_cleanup(handle_);
    curl_multi_cleanup(multi_);
  }

  Result<HttpResponse> send(const HttpRequest& request, Monotonic deadline) override;

 private:
  template <typename T>
  void set(CURLoption option, T value) {
    // Options fail only when libcurl was built without them or memory is out; neither is
    // survivable.
    const CURLcode code = curl_easy_setopt(handle_, option, value);
    CHECK(code == CURLE_OK,
          fmt::format("curl option {}: {}", static_cast<int>(option), curl_easy_strerror(code)));
  }
  void set_connection_options(Nanoseconds remaining);
  void set_body(const HttpRequest& request, Transfer& transfer);
  // Nothing if this thread's deadline came first.
  [[nodiscard]] std::optional<CURLcode> perform();
  static void fill(HeaderList& list, const HttpRequest& request);

  HttpTransportOptions options_;
  CURL* handle_ = nullptr;
  CURLM* multi_ = nullptr;
};

void CurlTransport::set_connection_options(Nanoseconds remaining) {
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_MAXAGE_CONN,
      std::max<long>(
          1, static_cast<long>(std::chrono::floor<Seconds>(options_.keep_alive_idle_max).count())));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_TIMEOUT_MS, to_milliseconds(remaining));
  set(CURLOPT_CONNECTTIMEOUT_MS, to_milliseconds(std::min(options_.connect_timeout, remaining)));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME,
      std::max<long>(
          1, static_cast<long>(std::chrono::ceil<Seconds>(options_.stall_timeout).count())));
  set(CURLOPT_UPLOAD_BUFFERSIZE, kUploadBufferBytes);
  set(CURLOPT_EXPECT_100_TIMEOUT_MS, kExpectWaitMs);
  set(CURLOPT_SSL_VERIFYPEER, options_.verify_tls ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, options_.verify_tls && options_.verify_host ? 2L : 0L);
  if (!options_.keep_alive) set(CURLOPT_FORBID_REUSE, 1L);
  if (!options_.ca_file.empty()) set(CURLOPT_CAINFO, options_.ca_file.c_str());
  if (!options_.ca_path.empty()) set(CURLOPT_CAPATH, options_.ca_path.c_str());
  if (!options_.certificate_file.empty()) {
    set(CURLOPT_SSLCERT, options_.certificate_file.c_str());
    // A file that holds both is usual.
    const std::string& key =
        options_.key_file.empty() ? options_.certificate_file : options_.key_file;
    set(CURLOPT_SSLKEY, key.c_str());
    if (!options_.key_password.empty()) set(CURLOPT_KEYPASSWD, options_.key_password.c_str());
  }
  if (!options_.proxy.empty()) {
    set(CURLOPT_PROXY, options_.proxy.c_str());
  } else if (!options_.use_proxy_environment) {
    set(CURLOPT_PROXY, "");
  }
}

void CurlTransport::set_body(const HttpRequest& request, Transfer& transfer) {
  if (request.file) {
    transfer.file = *request.file;
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.file->size));
    set(CURLOPT_READFUNCTION, on_read);
    set(CURLOPT_READDATA, static_cast<void*>(&transfer));
    set(CURLOPT_SEEKFUNCTION, on_seek);
    set(CURLOPT_SEEKDATA, static_cast<void*>(&transfer));
  } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
  } else if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else {
    set(CURLOPT_HTTPGET, 1L);
  }
  set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

void CurlTransport::fill(HeaderList& list, const HttpRequest& request) {
  for (const auto& [name, value] : request.headers) {
    // "Name;" is libcurl's way to say: send it, empty.
    list.add(value.empty() ? name + ";" : name + ": " + value);
  }
  if (!request.headers.find("User-Agent"))
    list.add("User-Agent: " + std::string(http_user_agent()));
  // Without these two libcurl adds values of its own.
  if (!request.headers.find("Content-Type")) list.add("Content-Type:");
  list.add(request.expect_continue ? "Expect: 100-continue" : "Expect:");
}

std::optional<CURLcode> CurlTransport::perform() {
  if (curl_multi_add_handle(multi_, handle_) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
  std::optional<CURLcode> result;
  for (;;) {
    int running = 0, queued = 0;
    const CURLMcode performed = curl_multi_perform(multi_, &running);
    if (performed != CURLM_OK) result = CURLE_OUT_OF_MEMORY;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &queued)) {
      if (message->msg == CURLMSG_DONE) result = message->data.result;
    }
    if (result || running == 0) break;
    const Monotonic now = system_clock().monotonic();
    if (now >= ThreadDeadline::current()) break;
    const Nanoseconds wait = ThreadDeadline::next_look(now, now + kPollMax) - now;
    curl_multi_poll(multi_, nullptr, 0, static_cast<int>(to_milliseconds(wait)), nullptr);
  }
  curl_multi_remove_handle(multi_, handle_);  // ends what is still under way
  return result;
}

Result<HttpResponse> CurlTransport::send(const HttpRequest& request, Monotonic deadline) {
  const Nanoseconds remaining =
      std::min(deadline, ThreadDeadline::current()) - system_clock().monotonic();
  const Result<Url> url = parse_url(request.url);
  if (!url) return std::unexpected(url.error());
  // The query may carry signatures; the operator needs to know only whom we talked to.
  const std::string what = fmt::format("{} {}://{}", request.method, url->scheme, url->authority());
  if (remaining <= Nanoseconds::zero()) {
    return fail(ErrorCode::Timeout, what + ": no time left before sending");
  }
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || name.find_first_of("\r\n: ") != std::string::npos ||
        value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return fail(ErrorCode::InvalidArgument, what + ": a header with a line break: " + name);
    }
  }

  curl_easy_reset(handle_);  // keeps connections, DNS and TLS sessions
  Transfer transfer;
  transfer.response_bytes_max = request.response_bytes_max;
  HeaderList headers;
  HeaderList connect_to;
  fill(headers, request);
  char error_text[CURL_ERROR_SIZE] = {};
  set_connection_options(remaining);
  // libcurl takes SNI and the expected name from the URL: so that carries the name, and connect_to
  // the host. The Host header stays the host's.
  std::string named;
  if (!options_.tls_name.empty() && url->scheme == "https") {
    Url with_name = *url;
    with_name.host = options_.tls_name;
    with_name.port = url->effective_port();
    named = with_name.to_string();
    connect_to.add(fmt::format("::{}:{}", url->host, url->effective_port()));
    if (!request.headers.find("Host")) headers.add("Host: " + url->authority());
    set(CURLOPT_CONNECT_TO, connect_to.get());
  }
  set(CURLOPT_URL, named.empty() ? request.url.c_str() : named.c_str());
  set_body(request, transfer);
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
  set(CURLOPT_WRITEFUNCTION, on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
  set(CURLOPT_ERRORBUFFER, error_text);

  const std::optional<CURLcode> performed = perform();
  // The handle must not keep pointers into this frame.
  curl_easy_setopt(handle_, CURLOPT_ERRORBUFFER, nullptr);
  curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, nullptr);
  curl_easy_setopt(handle_, CURLOPT_CONNECT_TO, nullptr);
  if (transfer.file_errno != 0) return fail_errno(transfer.file_errno, what + ": reading the body");
  if (transfer.file_short) {
    return fail(ErrorCode::Io, what + ": the file to send is shorter than announced");
  }
  if (!performed) return fail(ErrorCode::Timeout, what + ": cut short by the shutdown");
  const CURLcode code = *performed;
  if (code != CURLE_OK && !transfer.response.body_cut) {
    return fail(classify(code),
                what + ": " + (error_text[0] != '\0' ? error_text : curl_easy_strerror(code)));
  }
  long status = 0;
  curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
  transfer.response.status = static_cast<int>(status);
  return std::move(transfer.response);
}

}  // namespace

std::unique_ptr<HttpTransport> make_curl_transport(const HttpTransportOptions& options) {
  return std::make_unique<CurlTransport>(options);
}

}  // namespace noroshi
