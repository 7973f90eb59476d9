#include "input/random/random.h"

#include <sys/random.h>

#include <random>

#include "config/diagnostics.h"
#include "config/option_table.h"
#include "input/timed_input.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

struct SectionOptions {
  std::string tag;
  int64_t samples = -1, interval_sec = 1, interval_nsec = 0;
};

const OptionTable<SectionOptions>& random_option_table() {
  using S = SectionOptions;
  static const auto table = [] {
    OptionTable<S> t("random", "Records with a random number, for trying things out.");
    t.option("tag", &S::tag, "Tag of the records. Default: the instance's name, \"random.0\".")
        .last_wins()
        .option("samples", &S::samples, "-1", "Ends after so many records. -1: never.")
        .between("-1", "")
        .last_wins()
        .option("interval_sec", &S::interval_sec, "1", "Seconds between records.")
        .between("0", "86400")
        .last_wins()
        .option("interval_nsec", &S::interval_nsec, "0",
                "Nanoseconds added to interval_sec. Both 0: one second.")
        .between("0", "999999999")
        .last_wins();
    return t;
  }();
  return table;
}

std::vector<OptionInfo> random_options() { return random_option_table().options(); }

constexpr Nanoseconds kShortestInterval = Milliseconds(1);

class RandomInput final : public TimedInput {
 public:
  RandomInput(std::string tag, int64_t samples, Nanoseconds interval, std::string name,
              const Clock& clock)
      : TimedInput(std::move(name)),
        tag_(std::move(tag)),
        samples_(samples),
        interval_(std::max(interval, kShortestInterval)),
        clock_(clock) {}

 private:
  void begin() override { wait(); }
  void resumed() override { wait(); }

  void wait() {
    if (closed()) return;
    if (samples_ >= 0 && made_ >= samples_) return end();
    wait_for(interval_);
  }

  void tick() override {
    uint64_t value = 0;
    if (::getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value))
      value = std::random_device{}();
    record_.clear();
    MsgpackWriter writer(record_);
    writer.map_header(1);
    writer.string("rand_value"), writer.unsigned_integer(value);
    chunk_.tag = tag_;
    chunk_.append(clock_.wall(), record_);
    ++made_;
    if (hand_on()) wait();
  }

  const std::string tag_;
  const int64_t samples_;
  const Nanoseconds interval_;
  const Clock& clock_;
  std::string record_;
  int64_t made_ = 0;
};

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const SectionOptions given = random_option_table().parse(section, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  const std::string tag = given.tag.empty() ? context.instance_name : given.tag;
  Nanoseconds interval = Seconds(given.interval_sec) + Nanoseconds(given.interval_nsec);
  if (interval <= Nanoseconds(0)) interval = Seconds(1);
  MadeInput made;
  made.description = fmt::format("makes random numbers tagged {}", tag);
  made.input = std::make_unique<RandomInput>(tag, given.samples, interval, context.instance_name,
                                             context.clock);
  return made;
}

}  // namespace

const InputPlugin kRandomInput = {
    .name = "random",
    .aliases = {},
    .summary = "Records with a random number, for trying things out",
    .options = random_options,
    .make = make,
};

}  // namespace noroshi
