// Ingest: the head of the pipeline, on the ingest thread: filters a chunk, lets the router decide
// who gets what, appends it to the journal, and only then lets go of its acks.
//
//   input ─▶ ingest() ─▶ filter ─▶ … ─▶ filter ─▶ router ─▶ journal ─▶ acks released
//                          └─ emitted chunks go on behind their filter, or start again at the head
//
// Processors of an input are filters before all others that take its chunks alone. Processors of
// an output are a chain of its own behind the router: it gets a copy of the records the output
// takes, and what comes out is appended for that output alone (docs/decisions/0012).
//
// When the journal takes nothing (full, disk full, broken), filtered chunks wait here, in order,
// while inputs stop reading: paused(). They are tried again every kStalledRetryInterval; nothing is
// lost and no connection is closed. What waits is bounded by kStalledBytesMax: beyond it ingest()
// refuses. What is appended and cannot be committed (an fsync failed) keeps its acks until the
// journal is repaired: a client that repeats its chunk meanwhile joins the one that waits, so that
// it is stored once. Only those whose records the disk took are told to send them again.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "input/input.h"
#include "journal/journal.h"
#include "pipeline/arrivals.h"
#include "pipeline/filter_stage.h"
#include "pipeline/router.h"

namespace noroshi {

inline constexpr Milliseconds kStalledRetryInterval{100};
// Requests stored before a restart are recognised for so long after it; as long as the inputs
// remember them while running.
inline constexpr Seconds kReceiptAge{600};
inline constexpr uint64_t kStalledBytesMax = 16 << 20;
// A record that rewrite_tag sent back to the head this often goes on instead: the rules form a
// loop.
inline constexpr uint32_t kRestartsMax = 10;

class Ingest final : public ChunkSink {
 public:
  // Everything referred to outlives it. `stages` in this order: what comes before processors (the
  // joining of partial messages), processors of inputs, filters, processors of outputs. `inputs[i]`
  // is Chunk::input i. `outputs[i]` counts what route i of `routes` takes. `shed`: drop the least
  // severe records first when the journal is nearly full (see shed_least_severe()).
  Ingest(boost::asio::io_context& loop, std::vector<FilterStage> stages, RouteTable& routes,
         Journal& journal, std::vector<const InputMetrics*> inputs,
         std::vector<RoutedOutput> outputs, bool shed);
  ~Ingest() override;

  [[nodiscard]] Status ingest(Chunk& chunk, InputMetrics& metrics) override;
  [[nodiscard]] bool stored_before(const Receipt& receipt) const override;
  [[nodiscard]] bool paused() const override { return paused_.load(std::memory_order_relaxed); }
  void when_resumed(std::function<void()> resumed) override;

  // Starts the one-second tick of the filters.
  void start();
  // Shutdown, after the inputs are closed: releases what filters hold and tries once more to append
  // what waits. Chunks that still cannot be appended are reported, and their acks fail.
  void finish();

  // A reload: `successor` gets what waits here, the acks of it, and the filters whose metrics it
  // has too (they are the same filters, with what they hold); the others release what they hold
  // first. Nothing may be ingested here afterwards.
  void hand_over(Ingest& successor);

  // Any thread. Nanoseconds of the monotonic clock when the loop last ran its tick: health looks at
  // it.
  [[nodiscard]] int64_t last_tick_ns() const {
    return last_tick_ns_.load(std::memory_order_relaxed);
  }
  // Records appended to the journal, and lost at shutdown because it took nothing more.
  [[nodiscard]] uint64_t appended() const { return appended_.get(); }
  [[nodiscard]] uint64_t refused() const { return refused_.get(); }

 private:
  class StageOutput;
  struct Emitted {
    Chunk chunk;
    size_t stage = 0;  // where it enters the chain
    uint32_t restarts = 0;
    std::optional<size_t> output = {};  // a copy for this output
  };
  // A chunk on its way to the journal; `output`: a processed copy for this one.
  struct Waiting {
    Chunk chunk;
    std::optional<size_t> output = {};
  };

  // An ack that waits for commit(), and the records appended for it (none: filters hold or dropped
  // them).
  struct AppendedAck {
    std::shared_ptr<PendingAck> ack;
    Offset from = {};
    Offset to = {};
  };

  static bool applies(const FilterStage& stage, const Chunk& chunk, std::optional<size_t> output);
  void run_chain(Chunk& chunk, size_t stage, uint32_t restarts, std::optional<size_t> output);
  void run_emitted();
  void store(Chunk& chunk, std::optional<size_t> output);
  void copy_for_processors(Chunk& chunk);
  [[nodiscard]] Status append(Chunk& chunk, std::optional<size_t> output);
  void hold(Chunk& chunk, std::optional<size_t> output);
  void refuse(const Chunk& chunk, const Error& error);
  void find_receipts(const Chunk& chunk);
  // Acknowledges what is appended; false: it has to wait, and inputs are paused.
  bool commit();
  void fail_appended();
  void pause();
  void retry_stalled();
  void retry_later();
  // Until nothing comes any more: a flushed record may be sent back to the head (rewrite_tag) and
  // be held there again.
  void flush_filters(const std::vector<bool>& which);
  void shed_least_severe(Chunk& chunk);
  void tick();
  void log_trouble(const Error& error);
  [[nodiscard]] uint16_t number_of(const InputMetrics& metrics) const;
  void remember_input(const Chunk& chunk);
  [[nodiscard]] uint16_t input_remembered(const std::string& tag) const;

  boost::asio::steady_timer tick_timer_;
  boost::asio::steady_timer retry_timer_;
  std::vector<FilterStage> stages_;
  RouteTable& routes_;
  Journal& journal_;
  std::vector<const InputMetrics*> inputs_;
  std::vector<RoutedOutput> outputs_;
  const bool shed_;
  size_t head_ = 0;          // behind the processors of inputs
  size_t copies_begin_ = 0;  // the first stage that is a processor of an output
  // Which input a tag was last seen from: for filters that release records without saying it.
  std::unordered_map<std::string, uint16_t> input_of_tag_;

  std::deque<Emitted> emitted_;
  std::deque<Waiting> stalled_;
  uint64_t stalled_bytes_ = 0;
  std::vector<AppendedAck> appended_acks_;  // waiting for commit()
  std::vector<Receipt> receipts_;           // of the chunk being appended
  std::vector<Receipt> stored_before_;      // sorted; empty after kReceiptAge
  Monotonic started_;
  std::vector<std::function<void()>> resumed_;
  std::string routing_block_;
  std::vector<uint32_t> counts_;
  Bitmap selected_;
  LogEpisode trouble_episode_, loop_episode_, shed_episode_;
  std::atomic<bool> paused_{false};
  std::atomic<int64_t> last_tick_ns_{0};
  Counter appended_, refused_;
};

}  // namespace noroshi
