// The `dummy` input: makes records by itself, for trying a configuration out and for tests.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "input/plugin.h"

namespace noroshi {

struct DummyOptions {
  std::string tag = "dummy.0";
  std::string record = {};    // one MessagePack map
  std::string metadata = {};  // the same, or empty
  double rate = 1;            // ticks per second
  int64_t copies = 1;         // records per tick
  int64_t samples = 0;        // ticks in all; 0: without end
  bool fixed_timestamp = false;
  Timestamp start = {};  // of the first record, if `has_start`; then time runs on with the clock
  bool has_start = false;
  bool flush_on_startup = false;  // the first tick at once
};

[[nodiscard]] std::unique_ptr<Input> make_dummy(DummyOptions options, std::string instance_name,
                                                const Clock& clock = system_clock());

extern const InputPlugin kDummyInput;

}  // namespace noroshi
