// What one section of the configuration became: its object, its counters, and what people are shown
// of it. A Pipeline has lists of them and says who may read those when (instances_mutex()).
#pragma once

#include <memory>
#include <string>

#include "input/input.h"
#include "metrics/metrics.h"
#include "pipeline/accounting.h"
#include "pipeline/delivery.h"

namespace noroshi {

// What an instance uses stands before it: members are destroyed in reverse.
struct InputInstance {
  std::shared_ptr<InputMetrics> metrics;
  std::string plugin, description;
  std::string section = {};               // as text: an equal one is kept by a reload
  std::string covered_by = {};            // the input that listens in its place
  std::shared_ptr<const void> uses = {};  // the parsers it refers to
  std::string name = {};                  // forward.0, or the alias
  std::unique_ptr<Input> input = {};
};
struct FilterInstance {
  std::shared_ptr<FilterMetrics> metrics;
  std::string plugin, description, match;
  std::string section = {};
  std::shared_ptr<const void> uses = {};
  std::string owner = {};  // of a processor: "input app", "output s3.0"
};
struct OutputInstance {
  std::shared_ptr<OutputMetrics> metrics;
  std::string plugin, destination, match, condition, identity;
  std::string section = {};
  std::string name = {};
  std::shared_ptr<OutputAccount> account = std::make_shared<OutputAccount>();
  std::shared_ptr<Arrivals> arrivals = std::make_shared<Arrivals>();
  std::unique_ptr<DeliveryWorker> worker = {};  // null in a check, and for an inert output
};

}  // namespace noroshi
