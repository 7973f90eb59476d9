// Input: turns bytes into chunks. Runs on the ingest thread's Asio loop; nothing in it may block.
//
// Lifetime: made by its plugin's factory from checked options; start() is called once, after every
// socket of every input is bound (bind() comes first, before credentials, DNS or parsers);
// stop_accepting() and close() belong to shutdown. All calls are on the ingest thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

#include "base/result.h"
#include "metrics/metrics.h"
#include "record/chunk.h"

namespace noroshi {

// Where inputs put their chunks: the head of the chain (filters, router, journal). Implemented by
// pipeline/ingest. On the ingest thread only.
class ChunkSink {
 public:
  virtual ~ChunkSink() = default;

  // Filters, routes and appends `chunk`; its acks are released when it is stored (a chunk a filter
  // holds back keeps them). `chunk` is left cleared, its memory kept for reuse. On error nothing is
  // stored and every ack in it has failed; Exhausted means: journal full, blocked: keep the chunk,
  // stop reading, and try again when `resumed` is called.
  [[nodiscard]] virtual Status ingest(Chunk& chunk, InputMetrics& metrics) = 0;

  // True if the request was stored whole before the last restart: its client may repeat it, for its
  // ack may not have arrived.
  [[nodiscard]] virtual bool stored_before(const Receipt&) const { return false; }
  // True while the journal is full and blocks. Inputs look before each read.
  [[nodiscard]] virtual bool paused() const = 0;
  // Calls `resumed` once, on the ingest thread, when paused() has become false.
  virtual void when_resumed(std::function<void()> resumed) = 0;
};

class Input {
 public:
  virtual ~Input() = default;
  // Opens and binds; after this the kernel queues connections.
  [[nodiscard]] virtual Status bind(boost::asio::io_context& loop) = 0;
  // Begins to read. `sink` and `metrics` outlive the input.
  virtual void start(ChunkSink& sink, InputMetrics& metrics) = 0;
  // Shutdown, first half: true while a peer is still connected or bytes were read within `quiet`.
  [[nodiscard]] virtual bool busy() const { return false; }
  // True once it will never give another record (stdin at its end). When all inputs have ended, so
  // does the program. Any thread.
  [[nodiscard]] virtual bool ended() const { return false; }
  // Shutdown, second half: shutdown(SHUT_RD), read until empty, flush what is held, then close.
  virtual void close() = 0;
  // "0.0.0.0:24224" or "unix:/var/run/fluent.sock"; empty for inputs that do not listen.
  [[nodiscard]] virtual std::string listening_on() const { return {}; }
};

}  // namespace noroshi
