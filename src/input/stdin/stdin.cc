#include "input/stdin/stdin.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "config/diagnostics.h"
#include "input/single_source.h"
#include "input/text_options.h"
#include "record/json_parser.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kRecordsPerChunk = 16384;
static_assert(kRecordsPerChunk <= kChunkRecordsMax);

struct SectionOptions {
  std::string tag;
  LocatedText parser;
  ByteSize buffer_size;
};

const OptionTable<SectionOptions>& stdin_option_table() {
  using S = SectionOptions;
  static const auto table = [] {
    OptionTable<S> t("stdin", "Lines of standard input; ends with it.");
    t.option("tag", &S::tag, "Tag of the records. Default: the instance's name, \"stdin.0\".")
        .last_wins()
        .option("parser", &S::parser,
                "Parser for the lines. Without one: JSON objects become records, other lines "
                "{\"log\": line}.")
        .last_wins()
        .option("buffer_size", &S::buffer_size, "1MiB",
                "Longest line; a longer one becomes several records.")
        .between("1KiB", "2MiB")
        .last_wins();
    return t;
  }();
  return table;
}

std::vector<OptionInfo> stdin_options() { return stdin_option_table().options(); }

class StdinInput final : public Input {
 public:
  StdinInput(StdinOptions options, UniqueFd descriptor, std::string name, const Clock& clock)
      : options_(std::move(options)),
        descriptor_(std::move(descriptor)),
        name_(std::move(name)),
        clock_(clock) {}

  Status bind(boost::asio::io_context& loop) override {
    loop_ = &loop;
    struct stat status{};
    if (!descriptor_.valid() || ::fstat(descriptor_.get(), &status) != 0) {
      return fail(ErrorCode::InvalidArgument, "standard input is closed");
    }
    // Files and /dev/null are always readable, and epoll does not take them.
    const bool terminal = S_ISCHR(status.st_mode) && ::isatty(descriptor_.get()) != 0;
    pollable_ = S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || terminal;
    return {};
  }

  void start(ChunkSink& sink, InputMetrics& metrics) override {
    metrics_ = &metrics;
    source_.emplace(*loop_, sink, metrics, "input:" + name_, [this] { take_lines(); });
    if (pollable_) readiness_.emplace(*loop_, ::fcntl(descriptor_.get(), F_DUPFD_CLOEXEC, 0));
    wait();
  }

  bool busy() const override { return source_ && !ended_ && source_->waiting(); }
  bool ended() const override { return ended_; }

  void close() override {
    closed_ = true;
    if (readiness_) readiness_->close();
    if (source_ && source_->close() && !ended_) {  // what was read and is no whole line yet
      end_of_input_ = true;
      take_lines();
      source_->close();
    }
    ended_ = true;
  }

 private:
  void wait() {
    if (closed_) return;
    const auto ready = [this, still = std::weak_ptr(alive_)](boost::system::error_code error) {
      if (!error && !still.expired()) read();
    };
    if (pollable_) {
      readiness_->async_wait(boost::asio::posix::descriptor_base::wait_read, ready);
    } else {
      boost::asio::post(*loop_, [ready] { ready({}); });
    }
  }

  void read() {
    if (closed_) return;
    const size_t before = buffer_.size();
    buffer_.resize(before + kReadBytes);
    // Not made non-blocking: that would change the terminal for everybody who shares it.
    const ssize_t count = ::read(descriptor_.get(), buffer_.data() + before, kReadBytes);
    const int error_number = errno;
    buffer_.resize(before + static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0 && (error_number == EAGAIN || error_number == EINTR)) return wait();
    if (count < 0)
      log_error("input:" + name_, "{}",
                fail_errno(error_number, "cannot read standard input").error().message);
    if (count <= 0) end_of_input_ = true;
    take_lines();
  }

  // Everything in the buffer that is a whole line; then reads on, or ends.
  void take_lines() {
    const std::string_view all(buffer_);
    while (taken_ < all.size()) {
      if (full_chunk()) {
        if (!source_->hand_on(chunk_)) return;
        continue;
      }
      const std::string_view rest = all.substr(taken_);
      const size_t newline = rest.find('\n');
      if (newline != std::string_view::npos && newline <= options_.line_bytes_max) {
        add_line(rest.substr(0, newline));
        taken_ += newline + 1;
      } else if (rest.size() > options_.line_bytes_max) {
        metrics_->malformed.add();
        if (const auto times = log_long_.admit()) {
          log_warn(
              "input:" + name_,
              "a line is longer than buffer_size ({} bytes) and becomes several records ({} times)",
              options_.line_bytes_max, times);
        }
        add_line(rest.substr(0, options_.line_bytes_max));
        taken_ += options_.line_bytes_max;
      } else if (end_of_input_) {
        add_line(rest);
        taken_ = all.size();
      } else {
        break;
      }
    }
    if (!source_->hand_on(chunk_)) return;
    buffer_.erase(0, taken_);
    taken_ = 0;
    if (!end_of_input_) return wait();
    ended_ = true;
  }

  [[nodiscard]] bool full_chunk() const {
    return chunk_.records.size() >= kRecordsPerChunk || chunk_.body.size() >= (1u << 20);
  }

  void add_line(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) return;
    chunk_.tag = options_.tag;
    std::optional<Timestamp> time;
    record_.clear();
    const bool parsed = options_.parser ? options_.parser->parse(line, record_, time)
                                        : json_.append_object(line, record_).has_value();
    if (!parsed) {
      record_.clear();
      MsgpackWriter writer(record_);
      writer.map_header(1);
      writer.string("log"), writer.string(line);
    }
    chunk_.append(time.value_or(clock_.wall()), record_);
  }

  const StdinOptions options_;
  const UniqueFd descriptor_;
  const std::string name_;
  const Clock& clock_;
  boost::asio::io_context* loop_ = nullptr;
  InputMetrics* metrics_ = nullptr;
  std::optional<SingleSource> source_;
  std::optional<boost::asio::posix::stream_descriptor> readiness_;
  bool pollable_ = false;
  std::string buffer_;
  size_t taken_ = 0;
  std::string record_;
  Chunk chunk_;
  JsonToMsgpack json_;
  LogEpisode log_long_;
  bool end_of_input_ = false;
  bool closed_ = false;
  std::atomic<bool> ended_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  SectionOptions given = stdin_option_table().parse(section, diagnostics);
  StdinOptions options;
  options.tag = given.tag.empty() ? context.instance_name : given.tag;
  options.line_bytes_max = given.buffer_size.bytes;
  options.parser = find_parser(given.parser, "stdin", context.parsers, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeInput made;
  made.description = "lines of standard input tagged " + options.tag;
  made.input = make_stdin(std::move(options), UniqueFd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)),
                          context.instance_name, context.clock);
  return made;
}

}  // namespace

std::unique_ptr<Input> make_stdin(StdinOptions options, UniqueFd descriptor,
                                  std::string instance_name, const Clock& clock) {
  return std::make_unique<StdinInput>(std::move(options), std::move(descriptor),
                                      std::move(instance_name), clock);
}

const InputPlugin kStdinInput = {
    .name = "stdin",
    .aliases = {},
    .summary = "Lines of standard input",
    .options = stdin_options,
    .make = make,
};

}  // namespace noroshi
