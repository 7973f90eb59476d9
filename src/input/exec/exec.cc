#include "input/exec/exec.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"
#include "config/diagnostics.h"
#include "config/option_table.h"
#include "input/line_messages.h"
#include "input/single_source.h"
#include "input/text_options.h"

namespace noroshi {
namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kChunkRecordsFull = 16384;
constexpr size_t kChunkBytesFull = 1 << 20;
constexpr auto kExitPoll = std::chrono::milliseconds(20);  // after its output has ended
constexpr Milliseconds kLastWords{500};  // shutdown: what a command may still print after SIGTERM

struct SectionOptions {
  std::string tag, command;
  LocatedText parser;
  int64_t interval_sec = 1, interval_nsec = 0;
  Nanoseconds timeout{};
  ByteSize buf_size;
  bool oneshot = false, exit_after_oneshot = false, propagate_exit_code = false;
};

const OptionTable<SectionOptions>& exec_option_table() {
  using S = SectionOptions;
  static const auto table = [] {
    OptionTable<S> t("exec", "The lines a command prints.");
    t.required("command", &S::command, "Given to /bin/sh -c.")
        .last_wins()
        .option("tag", &S::tag, "Tag of the records. Default: the instance's name, \"exec.0\".")
        .last_wins()
        .option("parser", &S::parser,
                "Parser for the lines; a line it does not take is {\"exec\": line}.")
        .last_wins()
        .option("interval_sec", &S::interval_sec, "1",
                "Seconds between two starts; while it runs it is not started again.")
        .between("0", "86400")
        .last_wins()
        .option("interval_nsec", &S::interval_nsec, "0", "Nanoseconds added to interval_sec.")
        .between("0", "999999999")
        .last_wins()
        .option("timeout", &S::timeout, "0",
                "A command that runs longer is ended. 0: never. noroshi's own.")
        .between("0", "1d")
        .last_wins()
        .option("buf_size", &S::buf_size, "1MiB", "Longest line; a longer one becomes several.")
        .between("128", "3MiB")
        .last_wins()
        .option("oneshot", &S::oneshot, "off", "Run it once.")
        .last_wins()
        .option("exit_after_oneshot", &S::exit_after_oneshot, "off",
                "Run it once, then end noroshi, as SIGTERM does.")
        .last_wins()
        .option("propagate_exit_code", &S::propagate_exit_code, "off",
                "Not supported: `on` is an error.")
        .last_wins();
    return t;
  }();
  return table;
}

std::vector<OptionInfo> exec_options() { return exec_option_table().options(); }

struct ExecOptions {
  std::string command = {}, tag = {};
  size_t line_bytes_max = 0;
  Nanoseconds interval = Seconds(1), timeout = {};
  bool oneshot = false, exit_after_oneshot = false;
};

struct Command {
  pid_t pid = -1;
  UniqueFd output;
};

// In a process group of its own, with nothing on standard input.
Result<Command> start_command(const std::string& text) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "cannot make a pipe");
  UniqueFd output(ends[0]), input(ends[1]);
  ::fcntl(output.get(), F_SETFL, O_NONBLOCK);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, input.get(), STDOUT_FILENO);
  // This process blocks and ignores signals that the command must get.
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::string shell = "sh", option = "-c", command = text;
  char* const arguments[] = {shell.data(), option.data(), command.data(), nullptr};
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, "/bin/sh", &files, &attributes, arguments, environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return fail_errno(error, "cannot start /bin/sh");
  return Command{pid, std::move(output)};
}

class ExecInput final : public Input {
 public:
  ExecInput(ExecOptions options, std::unique_ptr<Parser> parser, std::string name,
            const Clock& clock)
      : options_(std::move(options)),
        log_name_("input:" + name),
        reader_(std::move(parser), "", clock, "exec"),
        framer_(kNewline, options_.line_bytes_max),
        buffer_(new char[kReadBytes]) {}
  ~ExecInput() override { end_command(SIGKILL); }

  Status bind(boost::asio::io_context& loop) override {
    loop_ = &loop;
    return {};
  }
  void start(ChunkSink& sink, InputMetrics& metrics) override {
    metrics_ = &metrics;
    source_.emplace(*loop_, sink, metrics, log_name_, [this] { take_and_read_on(); });
    timer_.emplace(*loop_);
    timeout_timer_.emplace(*loop_);
    run();
  }
  bool busy() const override { return !closed_ && (pid_ > 0 || (source_ && source_->waiting())); }
  bool ended() const override { return ended_; }

  void close() override {
    if (closed_ || !source_) return;
    closed_ = true;
    timer_->cancel();
    timeout_timer_->cancel();
    bool takes = source_->close();
    if (pid_ > 0 && output_) {
      ::kill(-pid_, SIGTERM);
      const auto until = std::chrono::steady_clock::now() + kLastWords;
      while (!end_of_output_ && std::chrono::steady_clock::now() < until) {
        pollfd wait{output_->native_handle(), POLLIN, 0};
        if (::poll(&wait, 1, 20) > 0) (void)read_some();
      }
    }
    end_of_output_ = true;
    while (takes && !take()) takes = source_->close();
    output_.reset();
    ended_ = true;
  }

 private:
  static constexpr std::string_view kNewline = "\n";

  void run() {
    if (closed_) return;
    started_ = std::chrono::steady_clock::now();
    auto command = start_command(options_.command);
    if (!command) {
      if (const auto times = log_start_.admit())
        log_error(log_name_, "{} ({} times)", command.error().message, times);
      return wait_for_next();
    }
    pid_ = command->pid;
    end_of_output_ = false;
    output_.emplace(*loop_, command->output.release());
    if (options_.timeout > Nanoseconds(0)) {
      timeout_timer_->expires_after(options_.timeout);
      timeout_timer_->async_wait([this](boost::system::error_code error) {
        if (error || pid_ <= 0) return;
        if (const auto times = log_timeout_.admit())
          log_warn(log_name_, "the command is ended: it ran longer than its timeout ({} times)",
                   times);
        ::kill(-pid_, SIGKILL);
      });
    }
    wait_readable();
  }

  void wait_readable() {
    output_->async_wait(boost::asio::posix::descriptor_base::wait_read,
                        [this, still = std::weak_ptr(alive_)](boost::system::error_code error) {
                          if (error || still.expired() || closed_) return;
                          if (read_some()) take_and_read_on();
                        });
  }

  // False: nothing came, and the end neither.
  bool read_some() {
    const ssize_t count = ::read(output_->native_handle(), buffer_.get(), kReadBytes);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
      if (!closed_) wait_readable();
      return false;
    }
    if (count > 0) {
      text_.append(buffer_.get(), static_cast<size_t>(count));
    } else {
      end_of_output_ = true;
    }
    return true;
  }

  void take_and_read_on() {
    if (closed_ || !take()) return;
    if (!end_of_output_) return wait_readable();
    output_.reset();
    wait_for_exit();
  }

  // What was read, as records. False: the sink is full, and calls again.
  bool take() {
    if (source_->waiting()) return false;
    std::string_view rest = text_;
    bool taken = true;
    for (;;) {
      if (chunk_.records.size() >= kChunkRecordsFull || chunk_.body.size() >= kChunkBytesFull) {
        taken = source_->hand_on(chunk_);
        if (!taken) break;
      }
      const Found found = framer_.next(rest, end_of_output_);
      rest.remove_prefix(found.bytes);
      if (found.kind == Found::Kind::Incomplete) break;
      if (!found.problem.empty()) {
        metrics_->malformed.add();
        if (const auto times = log_long_.admit())
          log_warn(log_name_, "{} ({} times)", found.problem, times);
      }
      chunk_.tag = options_.tag;
      (void)reader_.append(found.message, "", chunk_);
    }
    text_.erase(0, text_.size() - rest.size());
    return taken && source_->hand_on(chunk_);
  }

  void wait_for_exit() {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == 0) {
      timer_->expires_after(kExitPoll);
      timer_->async_wait([this](boost::system::error_code error) {
        if (!error) wait_for_exit();
      });
      return;
    }
    pid_ = -1;
    timeout_timer_->cancel();
    const bool failed = ended > 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    if (const auto times = failed ? log_exit_.admit() : 0) {
      log_warn(log_name_, "the command ended with {} {} ({} times)",
               WIFEXITED(status) ? "status" : "signal",
               WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), times);
    }
    if (options_.exit_after_oneshot) {
      log_info(log_name_, "the command has ended, and so does noroshi (exit_after_oneshot)");
      ::kill(::getpid(), SIGTERM);
    }
    if (options_.oneshot) {
      ended_ = true;
      return;
    }
    wait_for_next();
  }

  void wait_for_next() {
    if (closed_) return;
    timer_->expires_at(std::max(started_ + options_.interval, std::chrono::steady_clock::now()));
    timer_->async_wait([this](boost::system::error_code error) {
      if (!error) run();
    });
  }

  void end_command(int signal) {
    if (pid_ <= 0) return;
    ::kill(-pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  const ExecOptions options_;
  const std::string log_name_;
  TextReader reader_;
  SeparatorFramer framer_;
  std::unique_ptr<char[]> buffer_;
  boost::asio::io_context* loop_ = nullptr;
  InputMetrics* metrics_ = nullptr;
  std::optional<SingleSource> source_;
  std::optional<boost::asio::steady_timer> timer_, timeout_timer_;
  std::optional<boost::asio::posix::stream_descriptor> output_;
  std::chrono::steady_clock::time_point started_{};
  pid_t pid_ = -1;
  std::string text_;  // printed and not yet taken
  Chunk chunk_;
  bool end_of_output_ = false;
  bool closed_ = false;
  std::atomic<bool> ended_ = false;
  LogEpisode log_start_, log_timeout_, log_long_, log_exit_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const SectionOptions given = exec_option_table().parse(section, diagnostics);
  if (given.propagate_exit_code) {
    diagnostics
        .error(section.where_of("propagate_exit_code"),
               "exec: propagate_exit_code is not supported: noroshi's own exit status says whether "
               "everything was delivered")
        .help("remove it; the log says how the command ended");
  }
  auto parser = find_parser(given.parser, "exec", context.parsers, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  ExecOptions options;
  options.command = given.command;
  options.tag = given.tag.empty() ? context.instance_name : given.tag;
  options.line_bytes_max = given.buf_size.bytes;
  options.interval = Seconds(given.interval_sec) + Nanoseconds(given.interval_nsec);
  if (options.interval <= Nanoseconds(0)) options.interval = Seconds(1);
  options.timeout = given.timeout;
  options.oneshot = given.oneshot || given.exit_after_oneshot;
  options.exit_after_oneshot = given.exit_after_oneshot;
  MadeInput made;
  made.description = fmt::format("lines of `{}` tagged {}", given.command, options.tag);
  made.input = std::make_unique<ExecInput>(std::move(options), std::move(parser),
                                           context.instance_name, context.clock);
  return made;
}

}  // namespace

const InputPlugin kExecInput = {
    .name = "exec",
    .aliases = {},
    .summary = "The lines a command prints",
    .options = exec_options,
    .make = make,
};

}  // namespace noroshi
