#include "app/ship/ship.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include "app/ship/docker_frame.h"
#include "app/ship/line_splitter.h"
#include "base/log.h"

namespace noroshi::ship {
namespace {

constexpr size_t kReadBytes = 64 << 10;
constexpr int kForwardedSignals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
// A command may end while a child of it keeps the pipes open; Docker waits as long
// (container/monitor.go).
constexpr Seconds kOutputWaitMax{10};
constexpr Milliseconds kLookAround{100};
constexpr int kExitRecordsDropped = 3;

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kForwardedSignals) sigaddset(&set, signal);
  sigaddset(&set, SIGCHLD);
  return set;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;  // nobody reads our copy: no reason to lose the original
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

// One stream: reads, cuts into lines, encodes, queues; on a thread of its own.
class StreamReader {
 public:
  StreamReader(UniqueFd input, int tee_to, const ShipOptions& options, std::string_view tag,
               std::string_view container_id, std::string_view source, SendQueue& queue)
      : input_(std::move(input)),
        tee_to_(tee_to),
        acks_(options.request_ack),
        frame_(tag, container_id, options.container, source),
        splitter_(system_clock(), [] { return random_hex(32); }),
        queue_(queue),
        thread_([this] { run(); }) {}
  ~StreamReader() { stop(), join(); }

  // Takes what is there now and ends.
  void stop() { stopping_ = true; }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] uint64_t lines() const { return lines_; }

 private:
  void run() {
    const std::unique_ptr<char[]> buffer(new char[kReadBytes]);
    FrameBlock block;
    const LineSplitter::Emit emit = [&](const Piece& piece) {
      const size_t before = block.bytes.size();
      const std::string ack_id = acks_ ? make_ack_id(piece.time) : std::string();
      frame_.append(piece, ack_id, block.bytes);
      block.sizes.push_back(static_cast<uint32_t>(block.bytes.size() - before));
      if (acks_) block.ack_ids.push_back(ack_id);
    };
    const auto hand_over = [&] {
      lines_ = splitter_.lines();
      if (block.records() != 0) queue_.push(std::move(block));
      block = {};
    };
    for (;;) {
      pollfd waiting{input_.get(), POLLIN, 0};
      const bool stopping = stopping_;
      const int ready = ::poll(&waiting, 1, stopping ? 0 : static_cast<int>(kLookAround.count()));
      if (ready < 0 && errno == EINTR) continue;
      if (ready == 0) {
        if (stopping) break;
        continue;
      }
      const ssize_t count = ::read(input_.get(), buffer.get(), kReadBytes);
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (count <= 0) break;
      const std::string_view bytes(buffer.get(), static_cast<size_t>(count));
      if (tee_to_ >= 0) write_all(tee_to_, bytes);
      splitter_.take(bytes, emit);
      hand_over();
    }
    splitter_.end(emit);
    hand_over();
    ended_ = true;
  }

  UniqueFd input_;
  const int tee_to_;
  const bool acks_;
  const DockerFrame frame_;
  LineSplitter splitter_;
  SendQueue& queue_;
  std::atomic<bool> stopping_ = false, ended_ = false;
  std::atomic<uint64_t> lines_ = 0;
  std::thread thread_;
};

struct Command {
  pid_t pid = 0;
  UniqueFd output, errors;
};

Result<Command> start_command(const std::vector<std::string>& arguments,
                              const sigset_t& original_mask) {
  // The status pipe closes by itself at a successful exec; otherwise it carries errno.
  std::array<std::array<int, 2>, 3> pipes{};
  std::vector<UniqueFd> owned;
  for (auto& each : pipes) {
    if (::pipe2(each.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
    owned.emplace_back(each[0]);
    owned.emplace_back(each[1]);
  }
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  Command command;
  command.pid = ::fork();
  if (command.pid < 0) return fail_errno(errno, "fork");
  if (command.pid == 0) {
    ::dup2(pipes[0][1], STDOUT_FILENO);
    ::dup2(pipes[1][1], STDERR_FILENO);
    ::sigprocmask(SIG_SETMASK, &original_mask, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::execvp(argv[0], argv.data());
    const int error_number = errno;
    (void)!::write(pipes[2][1], &error_number, sizeof error_number);
    ::_exit(error_number == ENOENT ? 127 : 126);
  }
  for (const size_t write_end : {size_t{1}, size_t{3}, size_t{5}}) owned[write_end].reset();
  int error_number = 0;
  ssize_t count = 0;
  do count = ::read(pipes[2][0], &error_number, sizeof error_number);
  while (count < 0 && errno == EINTR);
  if (count == sizeof error_number) {
    ::waitpid(command.pid, nullptr, 0);
    return fail_errno(error_number, "cannot run " + arguments[0]);
  }
  command.output = std::move(owned[0]);
  command.errors = std::move(owned[2]);
  return command;
}

int exit_code_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

// Waits for a signal at most kLookAround. 0: none.
int next_signal(const sigset_t& signals, bool& from_terminal) {
  siginfo_t info{};
  const timespec limit{0, std::chrono::nanoseconds(kLookAround).count()};
  const int signal = ::sigtimedwait(&signals, &info, &limit);
  from_terminal = info.si_code == SI_KERNEL;
  return signal < 0 ? 0 : signal;
}

// Until the command has ended: passes signals on. Returns its exit code.
int attend(const Command& command, const sigset_t& signals) {
  for (;;) {
    bool from_terminal = false;
    const int signal = next_signal(signals, from_terminal);
    int status = 0;
    if (::waitpid(command.pid, &status, WNOHANG) == command.pid) return exit_code_of(status);
    // Ctrl-C reaches the whole process group: the command has it already.
    if (signal != 0 && signal != SIGCHLD && !from_terminal) ::kill(command.pid, signal);
  }
}

class Shipping {
 public:
  Shipping(const ShipOptions& options, sigset_t signals, sigset_t original_mask)
      : options_(options),
        signals_(signals),
        original_mask_(original_mask),
        container_id_(options.container_id.empty() ? random_hex(32) : options.container_id),
        tag_(options.tag.empty() ? options.container + "-firelens-" + container_id_.substr(0, 32)
                                 : options.tag),
        queue_(options.queue) {}

  int run() {
    int exit_code = 0;
    if (options_.command.empty()) {
      sender_.emplace(queue_, options_.destination, options_.request_ack);
      read(UniqueFd(::dup(STDIN_FILENO)), STDOUT_FILENO, options_.source);
      wait_for_end_of_input();
    } else {
      auto command = start_command(options_.command, original_mask_);
      if (!command) {
        std::fprintf(stderr, "noroshi ship: %s\n", command.error().message.c_str());
        return command.error().code == ErrorCode::NotFound ? 127 : 126;
      }
      // After fork(), so that the child starts from a process without threads.
      sender_.emplace(queue_, options_.destination, options_.request_ack);
      read(std::move(command->output), STDOUT_FILENO, "stdout");
      read(std::move(command->errors), STDERR_FILENO, "stderr");
      exit_code = attend(*command, signals_);
      wait_for_readers();
    }
    const bool all = finish();
    // A command's exit code is its own; the closing line says what was lost.
    return options_.command.empty() && !all ? kExitRecordsDropped : exit_code;
  }

 private:
  void read(UniqueFd from, int tee_to, std::string_view source) {
    readers_.push_back(std::make_unique<StreamReader>(std::move(from), options_.tee ? tee_to : -1,
                                                      options_, tag_, container_id_, source,
                                                      queue_));
  }

  [[nodiscard]] bool readers_ended() const {
    for (const auto& reader : readers_) {
      if (!reader->ended()) return false;
    }
    return true;
  }

  void wait_for_end_of_input() {
    while (!readers_ended()) {
      bool from_terminal = false;
      const int signal = next_signal(signals_, from_terminal);
      // Ctrl-C: who writes into our pipe got it too and may have last words; the end of the pipe
      // ends us.
      if (signal == SIGTERM || (signal == SIGINT && !from_terminal)) break;
    }
  }

  void wait_for_readers() {
    const Monotonic until = system_clock().monotonic() + kOutputWaitMax;
    while (!readers_ended() && system_clock().monotonic() < until) {
      bool from_terminal = false;
      (void)next_signal(signals_, from_terminal);
    }
  }

  // True if nothing was dropped.
  bool finish() {
    const Monotonic until = system_clock().monotonic() + options_.flush_limit;
    for (const auto& reader : readers_) reader->stop();
    // A reader may wait for room in a full queue; the sender makes it, or gives up at its deadline.
    std::thread joiner([this] {
      for (const auto& reader : readers_) reader->join();
      queue_.finish();
    });
    sender_->finish_by(until);
    joiner.join();
    sender_->join();
    uint64_t lines = 0;
    for (const auto& reader : readers_) lines += reader->lines();
    const uint64_t dropped = queue_.dropped();
    std::fprintf(stderr,
                 "noroshi ship: %llu lines read, %llu records %s %s, %llu dropped, %llu not "
                 "delivered in time\n",
                 static_cast<unsigned long long>(lines),
                 static_cast<unsigned long long>(sender_->sent()),
                 options_.request_ack ? "acknowledged by" : "sent to",
                 options_.destination.to_string().c_str(), static_cast<unsigned long long>(dropped),
                 static_cast<unsigned long long>(sender_->left()));
    return dropped == 0 && sender_->left() == 0;
  }

  const ShipOptions& options_;
  const sigset_t signals_;
  const sigset_t original_mask_;
  const std::string container_id_;
  const std::string tag_;
  SendQueue queue_;
  std::optional<Sender> sender_;
  std::vector<std::unique_ptr<StreamReader>> readers_;
};

}  // namespace

int ship(const ShipOptions& options) {
  if (options.container.empty()) {
    std::fprintf(
        stderr,
        "noroshi ship: --container says which container the lines come from; it is missing\n");
    return 1;
  }
  // Blocked in every thread; the main thread asks for them.
  sigset_t original_mask;
  const sigset_t signals = handled_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, &original_mask);
  ::signal(SIGPIPE, SIG_IGN);
  const int exit_code = Shipping(options, signals, original_mask).run();
  ::pthread_sigmask(SIG_SETMASK, &original_mask, nullptr);
  return exit_code;
}

}  // namespace noroshi::ship
