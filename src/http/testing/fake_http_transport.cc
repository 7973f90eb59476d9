#include "http/testing/fake_http_transport.h"

#include <unistd.h>

namespace noroshi::testing {
namespace {

Result<std::string> read_body(const HttpRequest& request) {
  if (!request.file) return std::string(request.body);
  std::string body(request.file->size, '\0');
  size_t done = 0;
  while (done < body.size()) {
    const ssize_t got = ::pread(request.file->fd, body.data() + done, body.size() - done,
                                static_cast<off_t>(request.file->position + done));
    if (got <= 0) return noroshi::fail(ErrorCode::Io, "the file to send is shorter than announced");
    done += static_cast<size_t>(got);
  }
  return body;
}

class Forwarding final : public HttpTransport {
 public:
  explicit Forwarding(HttpTransport& shared) : shared_(&shared) {}
  Result<HttpResponse> send(const HttpRequest& request, Monotonic deadline) override {
    return shared_->send(request, deadline);
  }

 private:
  HttpTransport* shared_;
};

}  // namespace

void FakeHttpTransport::answer(int status, std::string body, HttpHeaders headers) {
  MutexLock lock(mutex_);
  answers_.emplace_back(HttpResponse{status, std::move(headers), std::move(body), false});
}

void FakeHttpTransport::fail(ErrorCode code, std::string message) {
  MutexLock lock(mutex_);
  answers_.emplace_back(noroshi::fail(code, std::move(message)));
}

void FakeHttpTransport::otherwise(Handler handler) {
  MutexLock lock(mutex_);
  otherwise_ = std::move(handler);
}

Result<HttpResponse> FakeHttpTransport::send(const HttpRequest& request, Monotonic) {
  NOROSHI_ASSIGN(std::string body, read_body(request));
  KeptRequest kept{request.method, request.url, request.headers, std::move(body),
                   request.expect_continue};
  Handler handler;
  {
    MutexLock lock(mutex_);
    requests_.push_back(kept);
    if (!answers_.empty()) {
      Result<HttpResponse> answer = std::move(answers_.front());
      answers_.pop_front();
      return answer;
    }
    handler = otherwise_;
  }
  if (handler) return handler(kept);  // outside the lock: it may ask for requests()
  return noroshi::fail(ErrorCode::Unavailable, "no answer left");
}

std::vector<KeptRequest> FakeHttpTransport::requests() const {
  MutexLock lock(mutex_);
  return requests_;
}

size_t FakeHttpTransport::unused() const {
  MutexLock lock(mutex_);
  return answers_.size();
}

std::unique_ptr<HttpTransport> forward_to(HttpTransport& shared) {
  return std::make_unique<Forwarding>(shared);
}

}  // namespace noroshi::testing
