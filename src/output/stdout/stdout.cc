#include "output/stdout/stdout.h"

#include <pthread.h>
#include <signal.h>

#include "config/json_date_option.h"
#include "output/text/text_batch.h"

namespace noroshi {
namespace {

class StdoutOutput final : public Output {
 public:
  StdoutOutput(TextOptions options, Nanoseconds age_max, const Clock& clock, int fd)
      : encoder_(std::make_shared<TextEncoder>(std::move(options))),
        age_max_(age_max),
        clock_(clock),
        fd_(fd) {}

  BatchLimits limits() const override { return {.age_max = age_max_}; }
  std::string identity() const override { return "stdout"; }
  void group(const ChunkView&, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups) override {
    groups.insert(groups.end(), records.size(), std::string_view("stdout"));
  }
  Result<std::unique_ptr<Batch>> open_batch(std::string_view group, const BatchStart&) override {
    return std::make_unique<TextBatch>(std::string(group), encoder_);
  }
  Delivery deliver(Batch& batch, Monotonic deadline) override {
    const Status written = static_cast<TextBatch&>(batch).write_to(fd_, deadline, clock_);
    if (!written)
      return Delivery::retry(RetryClass::Transient, "standard output: " + written.error().message);
    return Delivery::delivered();
  }
  void start(OutputMetrics&) override {
    // A reader that went away is an error to retry, not the end of the process. SIGPIPE goes to the
    // thread that writes, so blocking it here touches nobody else.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  }

 private:
  std::shared_ptr<const TextEncoder> encoder_;
  Nanoseconds age_max_;
  const Clock& clock_;
  int fd_;
};

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const StdoutOptions options = stdout_option_table().parse(section, diagnostics);
  TextOptions text{.format = options.format, .date_key = options.json_date_key.text};
  if (to_lower(text.date_key) == "false") text.date_key.clear();
  if (const auto date = parse_json_date_option(options.json_date_format, diagnostics))
    text.date_format = *date;
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  return MadeOutput{.output = make_stdout_output(
                        std::move(text), context.flush.value_or(Nanoseconds{}), context.clock),
                    .destination = "standard output"};
}

}  // namespace

std::unique_ptr<Output> make_stdout_output(TextOptions options, Nanoseconds age_max,
                                           const Clock& clock, int fd) {
  return std::make_unique<StdoutOutput>(std::move(options), age_max, clock, fd);
}

const OptionTable<StdoutOptions>& stdout_option_table() {
  using O = StdoutOptions;
  static const auto table =
      OptionTable<O>("stdout", "Records as text on standard output.")
          .choice("format", &O::format, "msgpack",
                  {{"msgpack", TextFormat::Msgpack},
                   {"json", TextFormat::Json},
                   {"json_lines", TextFormat::JsonLines},
                   {"json_stream", TextFormat::JsonStream}},
                  "msgpack: \"[0] tag: [[time, {metadata}], {record}]\"; json: one array per "
                  "batch; json_lines: "
                  "one object per line; json_stream: objects without separator.")
          .option("json_date_key", &O::json_date_key, "date",
                  "Key of the time in the JSON formats; false: none.")
          .option("json_date_format", &O::json_date_format, "double",
                  "double, epoch, epoch_ms, iso8601 or java_sql_timestamp.");
  return table;
}

const OutputPlugin kStdoutPlugin = {
    .name = "stdout",
    .aliases = {},
    .summary = "Records as text on standard output",
    .options = [] { return stdout_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
