#include "input/dummy/dummy.h"

#include <algorithm>
#include <cmath>

#include "config/diagnostics.h"
#include "config/option_table.h"
#include "input/timed_input.h"
#include "record/json_parser.h"

namespace noroshi {
namespace {

struct SectionOptions {
  std::string tag;
  LocatedText dummy, metadata;
  double rate = 1;
  int64_t interval_sec = 0, interval_nsec = 0, copies = 1, samples = 0;
  std::optional<int64_t> start_time_sec, start_time_nsec;
  bool fixed_timestamp = false, flush_on_startup = false;
};

const OptionTable<SectionOptions>& dummy_option_table() {
  using S = SectionOptions;
  static const auto table = [] {
    OptionTable<S> t("dummy", "Records made by noroshi itself, for trying things out.");
    t.option("tag", &S::tag, "Tag of the records. Default: the instance's name, \"dummy.0\".")
        .last_wins()
        .option("dummy", &S::dummy, R"({"message":"dummy"})", "The record, a JSON object.")
        .last_wins()
        .option("metadata", &S::metadata, "{}", "Its metadata, a JSON object.")
        .last_wins()
        .option("rate", &S::rate, "1", "Records per second.")
        .between("0.001", "1000000")
        .last_wins()
        .option("interval_sec", &S::interval_sec, "0", "Seconds between records, instead of rate.")
        .between("0", "86400")
        .last_wins()
        .option("interval_nsec", &S::interval_nsec, "0", "Nanoseconds added to interval_sec.")
        .between("0", "999999999")
        .last_wins()
        .option("copies", &S::copies, "1", "How often each record is made.")
        .between("1", "1000000")
        .last_wins()
        .option("samples", &S::samples, "0", "Ends after so many records. 0: never.")
        .between("0", "")
        .last_wins()
        .option("start_time_sec", &S::start_time_sec, "Time of the first record, Unix seconds.")
        .last_wins()
        .option("start_time_nsec", &S::start_time_nsec, "Nanoseconds added to start_time_sec.")
        .between("0", "999999999")
        .last_wins()
        .option("fixed_timestamp", &S::fixed_timestamp, "off",
                "All records have the time of the first.")
        .last_wins()
        .option("flush_on_startup", &S::flush_on_startup, "off", "The first record at once.")
        .last_wins();
    return t;
  }();
  return table;
}

std::vector<OptionInfo> dummy_options() { return dummy_option_table().options(); }

class DummyInput final : public TimedInput {
 public:
  DummyInput(DummyOptions options, std::string name, const Clock& clock)
      : TimedInput(std::move(name)), options_(std::move(options)), clock_(clock) {}

 private:
  // A tick is this long, so that a high rate costs one chunk per tick and not one per record.
  static constexpr Nanoseconds kShortestWait = Milliseconds(10);
  static constexpr int64_t kRecordsPerChunk = 10'000;

  [[nodiscard]] Nanoseconds interval() const {
    return Nanoseconds(static_cast<int64_t>(std::llround(1e9 / options_.rate)));
  }

  void begin() override {
    first_ = options_.has_start ? options_.start : clock_.wall();
    first_wall_ = clock_.wall();
    counted_from_ = clock_.monotonic();
    if (options_.flush_on_startup) counted_from_ -= interval();
    tick();
  }

  void resumed() override {
    // What was missed during backpressure is not made up for.
    counted_from_ = clock_.monotonic();
    made_since_ = 0;
    go_on();
  }

  void tick() override {
    if (closed() || ended()) return;
    const double elapsed =
        std::chrono::duration<double>(clock_.monotonic() - counted_from_).count();
    // A timer never fires early; the small term absorbs what floating point loses.
    int64_t due = static_cast<int64_t>(elapsed * options_.rate + 1e-6) - made_since_;
    if (options_.samples != 0) due = std::min(due, options_.samples - made_);
    made_ += due, made_since_ += due;
    owed_ += due * options_.copies;
    fill();
  }

  void fill() {
    const size_t bytes = options_.record.size() + options_.metadata.size();
    chunk_.tag = options_.tag;
    for (int64_t n = std::min(owed_, kRecordsPerChunk);
         n > 0 && chunk_.body.size() + bytes <= kChunkBodyBytesMax; --n) {
      chunk_.append(time(), options_.record, options_.metadata);
      --owed_;
    }
    if (hand_on()) go_on();
  }

  void go_on() {
    if (closed()) return;
    if (options_.samples != 0 && made_ >= options_.samples && owed_ == 0) return end();
    wait_for(owed_ != 0 ? Nanoseconds(0) : std::max<Nanoseconds>(kShortestWait, interval()));
  }

  [[nodiscard]] Timestamp time() const {
    return options_.fixed_timestamp ? first_ : first_ + (clock_.wall() - first_wall_);
  }

  const DummyOptions options_;
  const Clock& clock_;
  Timestamp first_{}, first_wall_{};
  Monotonic counted_from_{};
  int64_t made_ = 0;        // ticks in all
  int64_t made_since_ = 0;  // since counted_from_
  int64_t owed_ = 0;        // records of ticks already counted, not yet made
};

std::string json_object(const LocatedText& given, std::string_view option,
                        Diagnostics& diagnostics) {
  std::string map;
  JsonToMsgpack json;
  if (const auto status = json.append_object(given.text, map); !status) {
    diagnostics
        .error(given.where,
               fmt::format("dummy: {} is no JSON object: {}", option, to_string(status.error())))
        .help(R"(for example dummy {"log":"hello","level":"info"})");
  }
  return map == "\x80" && option == "metadata" ? std::string() : map;
}

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const SectionOptions given = dummy_option_table().parse(section, diagnostics);
  DummyOptions options;
  options.tag = given.tag.empty() ? context.instance_name : given.tag;
  options.record = json_object(given.dummy, "dummy", diagnostics);
  options.metadata = json_object(given.metadata, "metadata", diagnostics);
  options.rate = given.rate;
  if (given.interval_sec != 0 || given.interval_nsec != 0) {
    options.rate = 1 / (static_cast<double>(given.interval_sec) +
                        static_cast<double>(given.interval_nsec) / 1e9);
  }
  options.copies = given.copies;
  options.samples = given.samples;
  options.fixed_timestamp = given.fixed_timestamp;
  options.flush_on_startup = given.flush_on_startup;
  options.has_start = given.start_time_sec || given.start_time_nsec;
  options.start = Timestamp(Seconds(given.start_time_sec.value_or(0)) +
                            Nanoseconds(given.start_time_nsec.value_or(0)));
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeInput made;
  made.description = fmt::format("makes {} records a second tagged {}",
                                 options.rate * static_cast<double>(options.copies), options.tag);
  made.input = make_dummy(std::move(options), context.instance_name, context.clock);
  return made;
}

}  // namespace

std::unique_ptr<Input> make_dummy(DummyOptions options, std::string instance_name,
                                  const Clock& clock) {
  return std::make_unique<DummyInput>(std::move(options), std::move(instance_name), clock);
}

const InputPlugin kDummyInput = {
    .name = "dummy",
    .aliases = {},
    .summary = "Records made by noroshi itself, for trying things out",
    .options = dummy_options,
    .make = make,
};

}  // namespace noroshi
