#include "input/http_source.h"

#include <boost/asio/post.hpp>
#include <charconv>

#include "config/values.h"
#include "input/forward/inflater.h"
#include "record/ascii.h"

namespace noroshi {
namespace {

constexpr size_t kChunkBytesFull = 1 << 20;
constexpr size_t kChunkRecordsFull = 16384;
// Bodies and chunks of all requests together; beyond it requests are answered 503, most by their
// head. One at a time is decompressed and decoded, which takes plain_bytes_max and
// kRequestBytesMax.
constexpr size_t kHeldBytesMax = 8 << 20;
// A body must have come by then where others are refused for want of its memory.
constexpr Nanoseconds kBodyWaitMax = Seconds(10);
constexpr size_t kInflateStep = 64 << 10;
constexpr Milliseconds kQuiet{500};                   // without a request for so long: not busy
constexpr auto kSinkRetry = std::chrono::seconds(1);  // after an error that may pass
constexpr auto kFullRetry = std::chrono::milliseconds(50);  // full, but not (any more) paused
// Shutdown: for answers on their way to their clients.
constexpr Milliseconds kAnswersGrace{1000};

int64_t now_ns() { return system_clock().monotonic().time_since_epoch().count(); }

std::optional<forward::Compression> compression_of(std::string_view encoding) {
  if (encoding.empty() || equal_ignoring_case(encoding, "identity"))
    return forward::Compression::None;
  if (equal_ignoring_case(encoding, "gzip") || equal_ignoring_case(encoding, "x-gzip"))
    return forward::Compression::Gzip;
  if (equal_ignoring_case(encoding, "zstd")) return forward::Compression::Zstd;
  return std::nullopt;
}

}  // namespace

ServerResponse text_answer(int status, std::string text) {
  return {.status = status,
          .headers = {{"Content-Type", "text/plain"}},
          .body = std::move(text) + "\n"};
}

Chunk& RequestChunks::chunk_for(std::string_view tag, size_t bytes) {
  if (!chunks_.empty()) {
    Chunk& last = chunks_.back();
    if (last.tag == tag && last.records.size() < kChunkRecordsFull &&
        last.body.size() + bytes <= kChunkBytesFull) {
      return last;
    }
    full_bytes_ += memory_of(last);
  }
  chunks_.emplace_back();
  chunks_.back().tag = tag;
  return chunks_.back();
}

std::vector<Chunk> RequestChunks::take() { return std::move(chunks_); }

// One request on the HTTP thread.
class HttpSource::Exchange final : public HttpExchange {
 public:
  Exchange(HttpSource& source, ServerRequest head) : source_(source), head_(std::move(head)) {
    source_.last_request_ns_ = now_ns();
  }
  ~Exchange() override {
    source_.receiving_.erase(this);
    if (counted_) --source_.under_way_;
    source_.held_bytes_ -= body_.size();
  }

  void may_end_connection(std::function<void()> end) override { end_ = std::move(end); }
  bool wants_body() override {
    decide();
    if (refusal_) return false;
    began_ = system_clock().monotonic();
    source_.receiving_.insert(this);
    return true;
  }
  bool take(std::string_view piece) override {
    if (body_.size() + piece.size() > source_.options_.body_bytes_max) {
      refuse_as_malformed(413, too_large());
      return false;
    }
    // Many may have begun while there was room. One alone always comes to its end.
    const size_t of_others = source_.held_bytes_ - body_.size();
    if (of_others != 0 && of_others + body_.size() + piece.size() > kHeldBytesMax) {
      source_.note_no_memory();
      refusal_ = source_.busy_answer();
      return false;
    }
    body_.append(piece);
    source_.held_bytes_ += piece.size();
    return true;
  }
  ServerResponse finish() override { return {}; }
  void finish_later(std::function<void(ServerResponse)> answer) override {
    decide();  // a request without a body
    source_.receiving_.erase(this);
    if (refusal_ && !malformed_) return answer(*std::move(refusal_));
    Waiting waiting;
    waiting.answer = std::move(answer);
    waiting.peer = head_.peer;
    if (!refusal_ && source_.held_bytes_ - body_.size() >= kHeldBytesMax)
      return waiting.answer(source_.busy_answer());
    if (!refusal_) decode(waiting.request);
    if (refusal_) {
      waiting.request.refusal = std::move(refusal_);
      waiting.request.malformed = 1;
    }
    for (const Chunk& chunk : waiting.request.chunks)
      waiting.bytes += RequestChunks::memory_of(chunk);
    source_.held_bytes_ += waiting.bytes;
    source_.held_bytes_ -= body_.size();
    body_ = {};
    source_.enqueue(std::move(waiting));
  }
  [[nodiscard]] bool too_slow(Monotonic now) const { return now - began_ > kBodyWaitMax; }
  [[nodiscard]] const std::string& peer() const { return head_.peer; }
  void end_connection() { end_(); }

 private:
  void decode(DecodedRequest& request) {
    std::string_view body = body_;
    std::string plain;
    if (const auto compression = compression_of(head_.header("content-encoding"));
        *compression != forward::Compression::None) {
      if (const Status inflated = inflate(*compression, plain); !inflated)
        return refuse_as_malformed(refused_status_, inflated.error().message);
      source_.held_bytes_ -= body_.size();
      std::string().swap(body_);
      body = plain;
    }
    request = source_.handlers_.decode(head_, body);
  }

  // Counted and said, as what cannot be decoded.
  void refuse_as_malformed(int status, const std::string& why) {
    malformed_ = true;
    refusal_ = text_answer(status, "error: " + why);
  }
  [[nodiscard]] std::string too_large() const {
    return fmt::format("the body is larger than buffer_max_size ({} bytes)",
                       source_.options_.body_bytes_max);
  }

  // By the head alone; once.
  void decide() {
    if (std::exchange(decided_, true)) return;
    refusal_ = source_.handlers_.refuse(head_);
    if (refusal_) return;
    if (!compression_of(head_.header("content-encoding"))) {
      refusal_ = text_answer(415, "error: Content-Encoding is none of gzip, zstd, identity");
      return;
    }
    uint64_t length = 0;  // as it says itself; the parser has checked that it is a number
    const std::string_view said = head_.header("content-length");
    std::from_chars(said.data(), said.data() + said.size(), length);
    if (length > source_.options_.body_bytes_max) return refuse_as_malformed(413, too_large());
    const bool no_memory = source_.held_bytes_ >= kHeldBytesMax;
    if (no_memory) source_.note_no_memory();
    if (source_.full_ || source_.closed_ || no_memory) {
      refusal_ = source_.busy_answer();
      return;
    }
    ++source_.under_way_;
    counted_ = true;
  }

  Status inflate(forward::Compression compression, std::string& plain) {
    forward::Inflater inflater;
    inflater.begin(compression, body_);
    for (;;) {
      const size_t before = plain.size();
      plain.resize(before + kInflateStep);
      const auto count = inflater.read(std::span(plain.data() + before, kInflateStep));
      plain.resize(before + (count ? *count : 0));
      if (!count) return std::unexpected(count.error());
      if (*count == 0) return {};
      if (plain.size() > source_.options_.plain_bytes_max) {
        refused_status_ = 413;
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("the body is larger than {} bytes after decompression",
                                source_.options_.plain_bytes_max));
      }
    }
  }

  HttpSource& source_;
  const ServerRequest head_;
  std::string body_;
  std::function<void()> end_;
  Monotonic began_{};
  std::optional<ServerResponse> refusal_;
  bool malformed_ = false;  // why it is refused
  int refused_status_ = 400;
  bool decided_ = false;
  bool counted_ = false;
};

// Held by every chunk of a request: answers when the last one is stored.
class HttpSource::Ack final : public PendingAck {
 public:
  Ack(std::weak_ptr<bool> source, Answer answer, ServerResponse success, ServerResponse failure)
      : source_(std::move(source)),
        answer_(std::move(answer)),
        success_(std::move(success)),
        failure_(std::move(failure)) {}
  // A filter may hold it for longer than the server lives.
  ~Ack() override {
    if (!source_.expired()) answer_(failed() ? std::move(failure_) : std::move(success_));
  }

  void fail_with(ServerResponse failure) {
    failure_ = std::move(failure);
    fail();
  }

 private:
  const std::weak_ptr<bool> source_;
  const Answer answer_;
  ServerResponse success_, failure_;
};

HttpSource::HttpSource(HttpSourceOptions options, Handlers handlers)
    : options_(std::move(options)), handlers_(std::move(handlers)) {}

HttpSource::~HttpSource() {
  closed_ = true;
  stalled_.clear();  // their acks answer
  {
    MutexLock lock(mutex_);
    for (Waiting& waiting : queue_) waiting.answer(busy_answer());
    queue_.clear();
  }
  if (server_) server_->stop(kAnswersGrace);
}

Status HttpSource::bind(boost::asio::io_context& loop) {
  loop_ = &loop;
  retry_timer_ = std::make_unique<boost::asio::steady_timer>(loop);
  HttpServerOptions options;
  options.address = options_.address == "localhost" ? "127.0.0.1" : options_.address;
  options.port = options_.port;
  options.max_connections = options_.connections_max;
  options.tls = options_.tls;
  NOROSHI_ASSIGN(server_, HttpServer::start(std::move(options), [this](ServerRequest head) {
                   return std::make_unique<Exchange>(*this, std::move(head));
                 }));
  return {};
}

void HttpSource::start(ChunkSink& sink, InputMetrics& metrics) {
  sink_ = &sink;
  metrics_ = &metrics;
  take_queue();
}

ServerResponse HttpSource::busy_answer() const {
  ServerResponse answer = text_answer(503, "error: the router takes no records now, try again");
  answer.headers.push_back({"Retry-After", "1"});
  return answer;
}

// A request is refused for it: whoever has held the memory for long without coming to an end gives
// it back.
void HttpSource::note_no_memory() {
  if (const auto times = log_memory_.admit()) {
    log_warn("input:" + options_.name,
             "requests are answered 503: the bodies and records under way hold {} of {} bytes "
             "({} times)",
             held_bytes_.load(), kHeldBytesMax, times);
  }
  const Monotonic now = system_clock().monotonic();
  std::vector<Exchange*> slow;
  for (Exchange* exchange : receiving_) {
    if (exchange->too_slow(now)) slow.push_back(exchange);
  }
  for (Exchange* exchange : slow) {
    receiving_.erase(exchange);
    if (const auto times = log_slow_.admit()) {
      log_warn("input:" + options_.name,
               "connection {} is closed: the body of its request is too slow, and others wait for "
               "the memory ({} times)",
               exchange->peer(), times);
    }
    exchange->end_connection();
  }
  if (slow.empty()) return;
  boost::asio::post(*loop_, [this, count = slow.size(), still = std::weak_ptr(alive_)] {
    if (!still.expired() && metrics_ != nullptr) metrics_->malformed.add(count);
  });
}

void HttpSource::enqueue(Waiting waiting) {
  {
    MutexLock lock(mutex_);
    queue_.push_back(std::move(waiting));
  }
  boost::asio::post(*loop_, [this, still = std::weak_ptr(alive_)] {
    if (!still.expired()) take_queue();
  });
}

void HttpSource::take_queue() {
  if (sink_ == nullptr || !stalled_.empty()) return;
  std::deque<Waiting> queue;
  {
    MutexLock lock(mutex_);
    queue.swap(queue_);
  }
  while (!queue.empty()) {
    Waiting& next = queue.front();
    if (!ingest(next)) {
      stalled_ = std::move(queue);
      return;
    }
    held_bytes_ -= next.bytes;
    queue.pop_front();
  }
}

// False: part of the request is stored, and the rest must wait: its client must not be told to
// repeat it.
bool HttpSource::ingest(Waiting& waiting) {
  DecodedRequest& request = waiting.request;
  if (!waiting.ack) {
    if (request.malformed != 0) {
      metrics_->malformed.add(request.malformed);
      if (const auto times = log_malformed_.admit()) {
        log_warn("input:" + options_.name, "a request of {} is refused: {} ({} times)",
                 waiting.peer, request.refusal ? trim(request.refusal->body) : "", times);
      }
    }
    if (request.refusal) return waiting.answer(*std::move(request.refusal)), true;
    if (sink_->paused() || closed_) return waiting.answer(busy_answer()), pause(true), true;
    waiting.ack = std::make_shared<Ack>(alive_, std::move(waiting.answer),
                                        std::move(request.success), busy_answer());
  }
  for (; waiting.next < request.chunks.size(); ++waiting.next) {
    Chunk& chunk = request.chunks[waiting.next];
    if (chunk.empty()) continue;
    if (chunk.acks.empty()) chunk.acks.push_back(waiting.ack);
    const Status stored = sink_->ingest(chunk, *metrics_);
    if (stored) continue;
    const ErrorCode code = stored.error().code;
    const bool full = code == ErrorCode::Exhausted;
    if (const auto times = full ? 0 : log_sink_.admit()) {
      log_error("input:" + options_.name, "records cannot be stored: {} ({} times)",
                stored.error().message, times);
    }
    if (code == ErrorCode::InvalidArgument || code == ErrorCode::Corrupt) {
      waiting.ack->fail_with(text_answer(400, "error: " + stored.error().message));
      break;
    }
    pause(full);
    if (waiting.next == 0) {
      waiting.ack->fail();  // nothing of it is stored: its client tries again
      break;
    }
    return false;
  }
  request.chunks.clear();
  waiting.ack.reset();
  return true;
}

// Until the sink takes records again, requests are refused by their head.
void HttpSource::pause(bool wait_for_sink) {
  if (full_.exchange(true)) return;
  const auto resume = [this, still = std::weak_ptr(alive_)] {
    if (still.expired()) return;
    full_ = false;
    std::deque<Waiting> stalled = std::move(stalled_);
    stalled_.clear();
    while (!stalled.empty()) {
      if (!ingest(stalled.front())) {
        stalled_ = std::move(stalled);
        return;
      }
      held_bytes_ -= stalled.front().bytes;
      stalled.pop_front();
    }
    take_queue();
  };
  if (wait_for_sink && sink_->paused()) return sink_->when_resumed(resume);
  retry_timer_->expires_after(wait_for_sink ? Nanoseconds(kFullRetry) : Nanoseconds(kSinkRetry));
  retry_timer_->async_wait([resume](boost::system::error_code error) {
    if (!error) resume();
  });
}

bool HttpSource::busy() const {
  return under_way_ != 0 || now_ns() - last_request_ns_ < Nanoseconds(kQuiet).count();
}

void HttpSource::close() {
  if (closed_) return;
  if (sink_ != nullptr) take_queue();
  closed_ = true;
  if (retry_timer_) retry_timer_->cancel();
  for (Waiting& waiting : stalled_) {
    if (waiting.ack) waiting.ack->fail();
  }
}

}  // namespace noroshi
