// HttpSender: brings one body to an HTTP service, compressed and authenticated as configured.
//
// On the delivery thread of its output only. Makes its transport (or, where requests are signed,
// its AWS client) at the first send().
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "output/request/gzip.h"
#include "output/request/http_options.h"
#include "output/request/zstd_buffer.h"

namespace noroshi {

class HttpSender {
 public:
  // `environment` outlives the sender.
  HttpSender(HttpConnection connection, const AwsEnvironment& environment);
  HttpSender(HttpSender&& other) noexcept;
  ~HttpSender();

  struct Content {
    std::string_view type = "application/json";
    std::string_view body = {};
    HttpHeaders headers = {};  // beside the connection's
    std::string_view method = "POST";
    size_t answer_bytes_max = 1 << 20;
  };
  // `path`: absolute, with query if any, already encoded. Errors as HttpTransport::send(); NotFound
  // and Denied where there are no credentials to sign with.
  [[nodiscard]] Result<HttpResponse> send(std::string_view path, const Content& content,
                                          Monotonic deadline);

  [[nodiscard]] const HttpConnection& connection() const { return connection_; }
  [[nodiscard]] const Clock& clock() const;

 private:
  [[nodiscard]] std::string_view compressed(std::string_view body, std::string_view& encoding);
  [[nodiscard]] Result<HttpResponse> send_signed(std::string_view path, const Content& content,
                                                 HttpHeaders headers, std::string_view body,
                                                 Monotonic deadline);

  HttpConnection connection_;
  const AwsEnvironment& environment_;
  std::unique_ptr<HttpTransport> transport_;
  std::unique_ptr<AwsClient> aws_;
  Gzip gzip_;
  ZstdBuffer zstd_;
};

// The identity of an output that sends there: plugin and URL, never a secret.
[[nodiscard]] std::string http_identity(std::string_view plugin, const HttpConnection& connection,
                                        std::string_view path);

}  // namespace noroshi
