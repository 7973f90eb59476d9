// FakeHttpTransport: plays back answers in order and keeps what was asked. No network, no clock.
//
//   testing::FakeHttpTransport http;
//   http.answer(503, "", {{"Retry-After", "1"}});
//   http.fail(ErrorCode::Timeout);
//   http.answer(200, "{}");
//   … EXPECT_EQ(http.requests().at(0).headers.get("host"), "logs.eu-west-1.amazonaws.com");
//
// Asked more often than it has answers, it fails with Unavailable ("no answer left"). Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "http/http_client.h"

namespace noroshi::testing {

struct KeptRequest {
  std::string method;
  std::string url;
  HttpHeaders headers;
  std::string body;  // file bodies are read
  bool expect_continue = false;
};

class FakeHttpTransport final : public HttpTransport {
 public:
  using Handler = std::function<Result<HttpResponse>(const KeptRequest&)>;

  void answer(int status, std::string body = {}, HttpHeaders headers = {});
  void fail(ErrorCode code, std::string message = "made up");
  // Answers everything once the queue is empty.
  void otherwise(Handler handler);

  [[nodiscard]] Result<HttpResponse> send(const HttpRequest& request, Monotonic deadline) override;
  [[nodiscard]] std::vector<KeptRequest> requests() const;
  [[nodiscard]] size_t unused() const;

 private:
  mutable Mutex mutex_;
  std::deque<Result<HttpResponse>> answers_ GUARDED_BY(mutex_);
  Handler otherwise_ GUARDED_BY(mutex_);
  std::vector<KeptRequest> requests_ GUARDED_BY(mutex_);
};

// Sends through `shared`, which must outlive it: for code that wants to own its transport.
[[nodiscard]] std::unique_ptr<HttpTransport> forward_to(HttpTransport& shared);

}  // namespace noroshi::testing
