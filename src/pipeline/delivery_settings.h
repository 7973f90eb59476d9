// What a DeliveryWorker is told, and what it says of itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "pipeline/accounting.h"
#include "pipeline/arrivals.h"

namespace noroshi {

// An output's identity or a group's key as a checkpoint can hold it: a longer one ends in a hash.
[[nodiscard]] std::string bounded_key(std::string_view text);

struct DeliverySettings {
  std::string instance = {};                 // "s3.1" or the alias: log lines, dead letters
  std::string identity = {};                 // names the checkpoint
  size_t output_index = 0;                   // in the route table
  std::optional<uint32_t> retry_limit = {};  // unset: until it is delivered
  Seconds scheduler_base = Seconds(5), scheduler_cap = Seconds(2000);
  uint64_t total_limit_bytes = 0;                    // storage.total_limit_size; 0: none
  std::filesystem::path dead_letter_directory = {};  // empty: none are kept
  // Shared with who drops from the journal and who compares; null: the worker's own.
  std::shared_ptr<OutputAccount> account = {};
  // Who appends to the journal tells it; null: the worker looks once a second.
  std::shared_ptr<Arrivals> arrivals = {};
};

// What health and the status page show.
struct DeliveryState {
  bool retrying = false;
  Timestamp failing_since = {};  // wall time of the first failure of this episode
  std::string last_error = {};   // of the current episode, else empty
  bool stuck = false;            // an operation is far beyond its deadline
};

struct UndeliveredRecords {
  uint64_t count = 0;
  bool at_least = false;  // there was no time to count all of them
};

}  // namespace noroshi
