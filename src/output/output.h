// Output: says its limits, sorts records into groups, encodes them into a batch, and makes ONE
// attempt to deliver a batch. Everything else is the engine's delivery loop (pipeline/delivery):
// reading the journal, closing batches, retry with jitter, checkpoints, dead letters, counters.
//
// Threading: one delivery thread per output calls everything here, one call at a time. deliver()
// may block up to its deadline. encode calls do no I/O except to the batch's own spool file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "metrics/metrics.h"
#include "record/chunk.h"

namespace noroshi {

struct BatchLimits {
  uint32_t records_max = UINT32_MAX;
  // A batch is closed this long after its first record was added. Zero: as soon as nothing more is
  // waiting in the journal (and `request_interval_min` allows), so batches fill while a request is
  // under way.
  Nanoseconds age_max = {};
  Nanoseconds request_interval_min = {};  // between two requests of one group
  uint32_t groups_max = 64;               // open at once; the oldest is closed early beyond that
};

// A record the destination or the format refuses although the rest of its batch is fine.
struct RejectedRecord {
  Offset offset = {};
  DropReason reason = DropReason::Rejected;
};

// Records of a batch that earlier attempts settled although the last one did not settle all.
struct SettledRecords {
  std::vector<Offset> delivered = {};         // ascending
  std::vector<RejectedRecord> rejected = {};  // each once
};

// Records of one group on their way to the destination: memory, or a spool file. Made by
// open_batch().
class Batch {
 public:
  virtual ~Batch() = default;
  // Encodes records (indexes into `chunk`, ascending) from the front, and returns how many were
  // taken; fewer than given means: full, deliver me and open another for the rest. The first record
  // of an empty batch is always taken (or put into `rejected`, which counts as taken). An error
  // (the spool's disk) leaves the batch unusable; the engine discards it and starts again from the
  // same offset later.
  [[nodiscard]] virtual Result<uint32_t> add(const ChunkView& chunk,
                                             std::span<const uint32_t> records,
                                             std::vector<RejectedRecord>& rejected) = 0;
  // True once it should be delivered without waiting for its age.
  [[nodiscard]] virtual bool full() const = 0;
  // Encoded bytes so far (as sent, where known).
  [[nodiscard]] virtual uint64_t bytes() const = 0;
  // For destinations that answer for each record: asked when the rest of the batch is given up, so
  // that what arrived is not counted as lost.
  [[nodiscard]] virtual SettledRecords settled_records() const { return {}; }
};

// What kind of failure decides the waiting time before the next attempt.
enum class RetryClass {
  Transient,  // connection, timeout, 5xx: base 200 ms, cap 20 s
  Throttled,  // base 1 s, cap 30 s
  Auth,       // credentials or permissions, may be repaired from outside: base 5 s, cap 60 s
};

struct Delivery {
  enum class Outcome { Delivered, Retry, Rejected };
  Outcome outcome = Outcome::Delivered;
  std::string reason = {};  // for the operator; Retry and Rejected
  RetryClass retry_class = RetryClass::Transient;
  std::optional<Nanoseconds> retry_after = {};  // the service's own wish
  std::vector<RejectedRecord> rejected = {};    // Delivered, but not these

  static Delivery delivered() { return {}; }
  static Delivery retry(RetryClass retry_class, std::string reason) {
    return {Outcome::Retry, std::move(reason), retry_class, {}, {}};
  }
  static Delivery reject(std::string reason) {
    return {Outcome::Rejected, std::move(reason), RetryClass::Transient, {}, {}};
  }
};

// Where a batch begins: what deterministic names are made from.
struct BatchStart {
  Offset offset = {};
  Timestamp time = {};        // of the first record
  std::string_view tag = {};  // of the first record
};

class Output {
 public:
  virtual ~Output() = default;

  [[nodiscard]] virtual BatchLimits limits() const = 0;

  // plugin and destination, stable over restarts and reordering of sections ("s3:bucket/key
  // format"); names the checkpoint when the section has no alias. Letters, digits and anything
  // else: it is hashed.
  [[nodiscard]] virtual std::string identity() const = 0;

  // For each of `records` (indexes into `chunk`) the key of its group, appended to `groups`. Keys
  // are views that stay valid until the next call; equal text means equal group. A pure function of
  // tag, time and record. The usual output has one group per tag or one in all.
  virtual void group(const ChunkView& chunk, std::span<const uint32_t> records,
                     std::vector<std::string_view>& groups) = 0;

  [[nodiscard]] virtual Result<std::unique_ptr<Batch>> open_batch(std::string_view group,
                                                                  const BatchStart& start) = 0;

  // One attempt. Repeatable with the same batch after Retry. Returns by `deadline`.
  [[nodiscard]] virtual Delivery deliver(Batch& batch, Monotonic deadline) = 0;

  // True if the journal must be synced up to the batch's last record before deliver() (S3: exactly
  // once).
  [[nodiscard]] virtual bool needs_durable_journal() const { return false; }

  // Lower goes first at shutdown. CloudWatch 0, S3 10.
  [[nodiscard]] virtual int shutdown_order() const { return 5; }

  // Called once on the delivery thread before anything else and once after everything.
  virtual void start(OutputMetrics&) {}
  virtual void stop() {}
};

}  // namespace noroshi
