// Counters of the running router. Written by the thread that does the work, read by admin: relaxed
// atomics, no locks on the hot path. Instances live as long as the pipeline.
//
// The accounting identity, per output: routed = delivered + dropped (by reason) + still in the
// journal.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace noroshi {

class MetricsSource;  // metric_family.h

class Counter {
 public:
  void add(uint64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Why records did not reach a destination. Every loss has one of these.
enum class DropReason : uint8_t {
  JournalFull,   // the limit is reached and the policy is to drop
  OutputLimit,   // storage.total_limit_size of this output
  RetryLimit,    // Retry_Limit attempts are used up
  Rejected,      // the destination refused the batch for good
  TooOld,        // CloudWatch: older than 14 days
  TooNew,        // CloudWatch: more than 2 hours ahead
  Expired,       // CloudWatch: older than the group's retention
  Oversize,      // larger than the destination takes, and the policy is not to split
  Corrupt,       // a journal entry failed its CRC
  NotEncodable,  // the output's format cannot represent the record
};
inline constexpr size_t kDropReasons = 10;
// "journal_full", "output_limit", "retry_limit", …: the metric label.
[[nodiscard]] std::string_view to_string(DropReason reason);

struct InputMetrics {
  std::string name;  // alias, else plugin.N as Fluent Bit counts them
  Counter records, bytes;
  Counter connections_accepted, connections_open;
  Counter malformed;           // frames, lines or entries that could not be decoded
  Counter duplicates;          // chunks recognised by their ack id and not stored again
  Counter paused_nanoseconds;  // backpressure
};

// A counter that only one kind of filter has, shown as
// `noroshi_filter_redacted_total{name="redact.0",pattern="mail"} 3`. Made by the filter, which
// counts in it (MadeFilter::counters).
struct FilterCounter {
  std::string family;  // "noroshi_filter_redacted_total"
  std::string help;    // of the family, one line
  std::string label;   // "pattern"; empty: none
  std::string value;   // "mail"
  Counter counter;
};

struct FilterMetrics {
  std::string name;
  Counter records, bytes, added, dropped, dropped_bytes;
  std::vector<std::shared_ptr<FilterCounter>> counters;  // constant once the pipeline runs
  std::shared_ptr<const MetricsSource> source;           // the same; null for most filters
};

// Seconds from a batch's first append to its delivery; Fluent Bit's bounds.
inline constexpr std::array<double, 8> kLatencyBounds = {0.5, 1, 1.5, 2.5, 5, 10, 20, 30};
struct LatencyHistogram {
  std::array<Counter, kLatencyBounds.size() + 1> buckets;  // the last: longer than all bounds
  Counter sum_ns;
  void observe(std::chrono::nanoseconds latency);
};

struct OutputMetrics {
  std::string name;
  Counter routed;          // records chosen for this output and appended
  Counter routed_bytes;    // of MessagePack; by share where an output takes a part of a chunk
  Counter records, bytes;  // delivered
  Counter requests;
  Counter errors;          // attempts the destination refused for good
  Counter retries;         // attempts that will be repeated
  Counter retries_failed;  // batches given up after Retry_Limit
  Counter retried_records;
  Counter log_key_missing;  // records sent whole because log_key is absent
  Counter split;            // records sent in several pieces
  std::array<Counter, kDropReasons> dropped;
  Counter oldest_undelivered_ns;  // wall time of the oldest record not yet delivered; 0: none
  Counter last_delivery_ns;       // wall time
  Counter delivery_state;         // 0 ok, 1 retrying (degraded)
  LatencyHistogram latency;

  [[nodiscard]] Counter& drop(DropReason reason) { return dropped[static_cast<size_t>(reason)]; }
  [[nodiscard]] uint64_t dropped_total() const {
    uint64_t sum = 0;
    for (const Counter& counter : dropped) sum += counter.get();
    return sum;
  }
};

}  // namespace noroshi
