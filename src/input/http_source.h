// HttpSource: the server of an input that takes records in HTTP requests (http, opentelemetry). A
// success is an acknowledgement: it is sent when every record of the request is in the journal.
//
//   HTTP thread:    head ─▶ body (bounded, decompressed) ─▶ decode() ─▶ chunks ─┐
//   ingest thread:                    answer ◀─ acks released ◀─ sink.ingest() ◀┘
//
// While the journal is full requests are answered 503 with Retry-After, before their body is read.
// So they are while others hold the memory there is for bodies; those must then come to an end.
// bind() first, then start(), close() on the ingest thread; destroyed after the loop.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "input/input.h"
#include "net/http_server.h"

namespace noroshi {

// What a request's body holds.
struct DecodedRequest {
  std::vector<Chunk> chunks = {};
  ServerResponse success = {};                 // sent once they are stored
  std::optional<ServerResponse> refusal = {};  // sent instead, nothing is stored
  uint64_t malformed = 0;  // counted and said, with the refusal's body as the reason
};

// Records of one request at most, as MessagePack and with what is noted of each. Beside it stands
// the plain body: together they must leave room in 50 MB.
inline constexpr size_t kRequestBytesMax = 16 << 20;

// Records of one request, as few chunks as their sizes allow. All may go to one tag or to many.
class RequestChunks {
 public:
  // The chunk for one more record of about `bytes`. Valid until the next call.
  [[nodiscard]] Chunk& chunk_for(std::string_view tag, size_t bytes);
  [[nodiscard]] std::vector<Chunk> take();
  // More than kRequestBytesMax: to be refused.
  [[nodiscard]] bool too_large() const {
    return full_bytes_ + (chunks_.empty() ? 0 : memory_of(chunks_.back())) > kRequestBytesMax;
  }
  [[nodiscard]] static size_t memory_of(const Chunk& chunk) {
    return chunk.body.size() + chunk.records.size() * sizeof(RecordEntry);
  }

 private:
  std::vector<Chunk> chunks_;
  size_t full_bytes_ = 0;  // of all but the last
};

struct HttpSourceOptions {
  std::string name = {};  // of the instance, for the log
  std::string address = {};
  uint16_t port = 0;
  size_t body_bytes_max = 4 << 20;
  size_t plain_bytes_max = 16 << 20;  // of a body after decompression
  size_t connections_max = 1024;
  std::shared_ptr<TlsContext> tls = {};
};

class HttpSource {
 public:
  // Called on the HTTP thread. `head`: the request without its body; `body`: decompressed. To
  // refuse a request by its head alone, look at it in `refuse`: nullopt lets it pass.
  struct Handlers {
    std::function<std::optional<ServerResponse>(const ServerRequest& head)> refuse;
    std::function<DecodedRequest(const ServerRequest& head, std::string_view body)> decode;
  };

  HttpSource(HttpSourceOptions options, Handlers handlers);
  ~HttpSource();

  [[nodiscard]] Status bind(boost::asio::io_context& loop);
  void start(ChunkSink& sink, InputMetrics& metrics);
  [[nodiscard]] bool busy() const;
  void close();
  [[nodiscard]] uint16_t port() const { return server_ ? server_->port() : 0; }

 private:
  class Exchange;
  class Ack;
  using Answer = std::function<void(ServerResponse)>;
  struct Waiting {
    DecodedRequest request;
    Answer answer;
    size_t next = 0;  // chunk
    std::shared_ptr<Ack> ack = {};
    std::string peer = {};
    size_t bytes = 0;  // of the chunks, of held_bytes_
  };

  void enqueue(Waiting waiting);  // HTTP thread, as the next
  void note_no_memory();
  void take_queue();  // ingest thread, like the rest
  [[nodiscard]] bool ingest(Waiting& waiting);
  void pause(bool wait_for_sink);
  [[nodiscard]] ServerResponse busy_answer() const;

  const HttpSourceOptions options_;
  const Handlers handlers_;
  boost::asio::io_context* loop_ = nullptr;
  ChunkSink* sink_ = nullptr;
  InputMetrics* metrics_ = nullptr;
  std::unique_ptr<boost::asio::steady_timer> retry_timer_;
  std::deque<Waiting> stalled_;  // the first is stored in part; the sink was full
  std::atomic<bool> full_ = false, closed_ = false;
  std::atomic<size_t> under_way_ = 0;        // requests not answered yet
  std::atomic<size_t> held_bytes_ = 0;       // of bodies, and of chunks that are not stored yet
  std::unordered_set<Exchange*> receiving_;  // a body; HTTP thread only
  std::atomic<int64_t> last_request_ns_ = 0;
  Mutex mutex_;
  std::deque<Waiting> queue_ GUARDED_BY(mutex_);
  LogEpisode log_malformed_, log_sink_, log_slow_, log_memory_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<HttpServer> server_;  // last: its threads use what is above
};

// "text/plain", `status` and `text` with a newline.
[[nodiscard]] ServerResponse text_answer(int status, std::string text);

}  // namespace noroshi
