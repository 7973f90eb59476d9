// Filter `throttle`: lets so many records pass in an interval, on average over a sliding window.
#pragma once

#include "config/option_table.h"
#include "filter/plugin.h"

namespace noroshi {

struct ThrottleOptions {
  double rate = 1;
  int64_t window = 5;
  Nanoseconds interval = Seconds(1);
  bool print_status = false;
};

const OptionTable<ThrottleOptions>& throttle_option_table();
extern const FilterPlugin kThrottleFilter;

}  // namespace noroshi
