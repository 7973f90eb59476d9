// A window of `window` panes, each `interval` long and counting the records that passed in it. A
// record passes while the sum of all panes is below rate × window (plugins/filter_throttle).
#include "filter/throttle/throttle.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/log.h"
#include "filter/chunk_rewriter.h"

namespace noroshi {

const OptionTable<ThrottleOptions>& throttle_option_table() {
  using O = ThrottleOptions;
  static const auto table =
      OptionTable<O>("throttle", "Drops records beyond a rate, and counts them.")
          .option("rate", &O::rate, "1", "Records per interval, on average over the window.")
          .between("0.001", "1000000000")
          .option("window", &O::window, "5", "Intervals the average is made over.")
          .between("1", "100000")
          .option("interval", &O::interval, "1s", "Length of an interval.")
          .between("10ms", "1d")
          .option("print_status", &O::print_status, "off",
                  "Log limit and current rate once a second.");
  return table;
}

namespace {

class ThrottleFilter final : public Filter {
 public:
  ThrottleFilter(const ThrottleOptions& options, const FilterContext& context,
                 std::shared_ptr<FilterCounter> dropped)
      : options_(options),
        name_(context.instance_name),
        clock_(context.clock),
        limit_(
            static_cast<uint64_t>(std::ceil(options.rate * static_cast<double>(options.window)))),
        panes_(static_cast<size_t>(options.window)),
        dropped_(std::move(dropped)) {}

  void apply(Chunk& chunk, FilterOutput&, FilterMetrics& metrics) override {
    advance();
    const uint64_t room = total_ < limit_ ? limit_ - total_ : 0;
    const uint64_t count = chunk.records.size();
    const uint64_t kept = std::min(room, count);
    panes_[current_] += kept;
    total_ += kept;
    if (kept == count) return;
    uint64_t index = 0;
    metrics.dropped_bytes.add(
        keep_records_in_place(chunk, [&](const RecordEntry&) { return index++ < kept; }));
    metrics.dropped.add(count - kept);
    dropped_->counter.add(count - kept);
    if (const uint64_t times = episode_.admit()) {
      log_warn(fmt::format("filter:{}", name_),
               "dropped {} of {} records of tag {}: more than {} per {} ({} times)", count - kept,
               count, chunk.tag, options_.rate, duration_to_string(options_.interval), times);
    }
  }

  void on_tick(FilterOutput&, FilterMetrics&) override {
    advance();
    if (!options_.print_status) return;
    log_info(fmt::format("filter:{}", name_),
             "limit is {:.2f} per {} with window size of {}, current rate is {:.2f} per interval",
             options_.rate, duration_to_string(options_.interval), options_.window,
             static_cast<double>(total_) / static_cast<double>(options_.window));
  }

 private:
  // Panes whose time is over are emptied.
  void advance() {
    const int64_t now = clock_.monotonic().time_since_epoch() / options_.interval;
    const int64_t passed = std::min<int64_t>(now - last_, options_.window);
    for (int64_t i = 0; i < passed; ++i) {
      current_ = (current_ + 1) % panes_.size();
      total_ -= panes_[current_];
      panes_[current_] = 0;
    }
    last_ = now;
  }

  const ThrottleOptions options_;
  const std::string name_;
  const Clock& clock_;
  const uint64_t limit_;  // records in the window
  std::vector<uint64_t> panes_;
  size_t current_ = 0;
  uint64_t total_ = 0;
  int64_t last_ = 0;  // number of the current interval
  const std::shared_ptr<FilterCounter> dropped_;
  LogEpisode episode_;
};

std::optional<MadeFilter> make(const Section& section, const FilterContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const ThrottleOptions options = throttle_option_table().parse(section, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  auto dropped = std::make_shared<FilterCounter>();
  dropped->family = "noroshi_filter_dropped_records_total";
  dropped->help = "Records a filter dropped on purpose, by reason.";
  dropped->label = "reason";
  dropped->value = "rate";
  MadeFilter made;
  made.description = fmt::format("at most {} records per {}, over {} intervals", options.rate,
                                 duration_to_string(options.interval), options.window);
  made.counters = {dropped};
  made.filter = std::make_unique<ThrottleFilter>(options, context, std::move(dropped));
  return made;
}

}  // namespace

const FilterPlugin kThrottleFilter = {
    .name = "throttle",
    .summary = "Drops records beyond a rate, and counts them.",
    .options = [] { return throttle_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
