#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>

#include "admin/admin_server.h"
#include "admin/statistics.h"
#include "app/cli/configuration.h"
#include "app/cli/daemon.h"
#include "app/cli/task_environment.h"
#include "app/cli/verbs.h"
#include "app/plugins.h"
#include "aws/credentials.h"
#include "base/exit_request.h"
#include "base/log.h"
#include "base/log_levels.h"
#include "net/early_sockets.h"
#include "pipeline/pipeline.h"

namespace noroshi {
namespace {

// Inside ECS's default stopTimeout of 30 s. Fluent Bit's default of 5 s loses what an application
// writes last.
constexpr Nanoseconds kDefaultGrace = Seconds(25);
// The exit status of Fluent Bit where a plugin's initialisation failed.
constexpr int kPluginFailed = 255;
constexpr Nanoseconds kUnlimitedGrace = std::chrono::hours(24);
// How often health looks, and how often while a reload is still letting go of what it replaced.
constexpr Nanoseconds kObserveInterval = Seconds(1);
constexpr Nanoseconds kSettlingInterval = Milliseconds(20);

BuildOptions build_options(const RunArguments& arguments, bool check_only) {
  return {.plugins = all_plugins(),
          .aws = aws_process_environment(),
          .environment = TaskEnvironment::of_process().lookup(),
          .check_only = check_only,
          .parsers_files = arguments.parsers_files,
          .container_names = [] { return TaskEnvironment::of_process().container_names(); }};
}

// Buffers of half a megabyte come and go with every frame and batch. By default glibc gives each
// back to the kernel, which clears its pages when they are asked for again: a sixth of the CPU time
// at full speed. It costs 2 MB (bench/RESULTS.md).
void keep_freed_memory() {
  constexpr int kFreedBytesKept = 4 << 20;
  mallopt(M_MMAP_THRESHOLD, kFreedBytesKept);
  mallopt(M_TRIM_THRESHOLD, kFreedBytesKept);
}

// Memory holds keys, passwords and log lines, which have no place in a core file. Also keeps other
// processes of this user from reading it. NOROSHI_CORE_DUMPS=on is for who looks for a mistake of
// ours.
void forbid_core_dumps() {
  const char* const wanted = std::getenv("NOROSHI_CORE_DUMPS");
  if (wanted != nullptr && std::string_view(wanted) == "on") return;
  prctl(PR_SET_DUMPABLE, 0);
}

bool change_directory(const RunArguments& arguments) {
  if (arguments.working_directory.empty() || chdir(arguments.working_directory.c_str()) == 0)
    return true;
  std::perror(fmt::format("noroshi: cannot work in {}", arguments.working_directory).c_str());
  return false;
}

// Signals are taken by sigtimedwait() on the main thread; every thread made later inherits the
// block.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGQUIT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

// The number of the signal that came within `wait`, or 0.
int next_signal(const sigset_t& signals, Nanoseconds wait) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(wait.count() / 1'000'000'000);
  time.tv_nsec = static_cast<long>(wait.count() % 1'000'000'000);
  const int signal = sigtimedwait(&signals, nullptr, &time);
  return signal > 0 ? signal : 0;
}

void apply_log_options(const ServiceOptions& service, int verbosity) {
  LogLevel level = service.log_level;
  if (verbosity > 0) level = verbosity == 1 ? LogLevel::Debug : LogLevel::Trace;
  if (verbosity < 0) level = LogLevel::Off;
  set_log_level(level);
  if (!service.log_file.empty() && !set_log_file(service.log_file.c_str())) {
    log_error("log", "cannot write {}; the log stays on stderr", service.log_file);
  }
}

void print_statistics(Statistics& statistics, const Pipeline& pipeline, const Health& health) {
  StatisticsFacts facts;
  {
    const Pipeline::Hold hold(pipeline.instances_mutex());
    facts = take_statistics(pipeline, health.status());
  }
  const std::string line = statistics.line(facts);
  // A standard error that cannot be written has nowhere to report that to.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

void observe(Health& health, const Pipeline& pipeline) {
  const Pipeline::Hold hold(pipeline.instances_mutex());
  health.observe(take_health_facts(pipeline));
}

// Reads the configuration again and puts it in the place of what runs. A bad one changes nothing.
ReloadResult reload(const RunArguments& arguments, Pipeline& pipeline) {
  if (!pipeline.service().hot_reload) {
    log_warn("reload", "asked for, but not enabled: set [SERVICE] Hot_Reload On, or start with -Y");
    return {ReloadResult::Outcome::NotEnabled, ""};
  }
  log_info("reload", "reading the configuration again");
  Diagnostics diagnostics;
  const Document document = read_configuration(arguments, diagnostics);
  const bool done = !diagnostics.has_errors() &&
                    pipeline.reload(document, build_options(arguments, false), diagnostics);
  EarlySockets::of_process().close_rest();
  diagnostics.print(stderr);
  if (!done) {
    log_error("reload", "the configuration contains errors: the old one runs on");
    return {ReloadResult::Outcome::Refused, diagnostics.render()};
  }
  apply_log_options(pipeline.service(), arguments.verbosity);
  if (arguments.verbosity >= 0) set_component_log_levels(pipeline.log_levels());
  log_info("reload", "done, the {}. time\n{}", pipeline.reloads(), pipeline.describe());
  return {ReloadResult::Outcome::Done, diagnostics.render()};
}

int run_until_signal(const RunArguments& arguments, const std::function<void()>& started) {
  const sigset_t signals = block_signals();
  if (!change_directory(arguments)) return 1;
  Diagnostics diagnostics;
  const Document document = read_configuration(arguments, diagnostics, true);
  std::unique_ptr<Pipeline> pipeline;
  const bool readable = !diagnostics.has_errors();
  if (readable) {
    Diagnostics reported_by_build;
    apply_log_options(parse_service(document, reported_by_build), arguments.verbosity);
    pipeline = Pipeline::build(document, build_options(arguments, false), diagnostics);
  }
  EarlySockets::of_process().close_rest();
  diagnostics.print(stderr);
  if (pipeline == nullptr) {
    log_error("config", "configuration file contains errors, aborting.");
    return readable && knows_all_plugins(document) ? kPluginFailed : 1;
  }
  if (arguments.verbosity >= 0) set_component_log_levels(pipeline->log_levels());
  log_info("noroshi", "version {}, pid {}\n{}", NOROSHI_VERSION, getpid(), pipeline->describe());

  Health health(pipeline->service());
  ReloadDesk reloads([main = pthread_self()] { pthread_kill(main, SIGHUP); });
  std::unique_ptr<HttpServer> admin;
  if (pipeline->service().http_server) {
    Result<std::unique_ptr<HttpServer>> server =
        start_admin_server({*pipeline, health, all_plugins(), reloads});
    if (!server) {
      log_error("admin", "{}", server.error().message);
      return kPluginFailed;
    }
    admin = *std::move(server);
    log_info("admin", "listening on port {}", admin->port());
  }
  pipeline->start();
  started();

  const ServiceOptions& service = pipeline->service();
  const auto statistics_interval = [&] {
    return arguments.verbosity < 0 ? Nanoseconds(0) : service.statistics_interval;
  };
  Statistics statistics(statistics_interval());
  int signal = 0;
  while (signal == 0 && !pipeline->inputs_ended()) {
    observe(health, *pipeline);
    if (statistics.due()) print_statistics(statistics, *pipeline, health);
    const bool settling = pipeline->settle_reload();
    signal = next_signal(signals, settling ? kSettlingInterval : kObserveInterval);
    if (signal != SIGHUP) continue;
    signal = 0;
    // What a reload removes takes its counters along.
    if (service.hot_reload && statistics_interval() > Nanoseconds(0))
      print_statistics(statistics, *pipeline, health);
    reloads.answer(reload(arguments, *pipeline));
    health.set_limits(service);
    statistics.set_interval(statistics_interval());
  }
  const Nanoseconds grace =
      service.grace_unlimited ? kUnlimitedGrace : service.grace.value_or(kDefaultGrace);
  if (signal != 0) {
    log_info("noroshi", "caught signal ({}), delivering what is here within {:.0f} seconds",
             strsignal(signal), std::chrono::duration<double>(grace).count());
  } else {
    log_info("noroshi", "all inputs have ended");
  }
  std::atomic<bool> hurry{false}, done{false};
  std::thread second_signal([&] {
    while (!done.load()) {
      if (const int next = next_signal(signals, Milliseconds(50)); next == 0 || next == SIGHUP) {
        reloads.answer({ReloadResult::Outcome::InProgress, ""});
        continue;
      }
      log_warn("noroshi", "second signal: ending now; what is undelivered stays in the journal");
      hurry.store(true);
      return;
    }
  });
  const ShutdownReport report = pipeline->shutdown(grace, hurry);
  done.store(true);
  second_signal.join();
  admin.reset();
  // The rest of the last interval, so that the sums over all lines are what really happened.
  if (statistics_interval() > Nanoseconds(0)) print_statistics(statistics, *pipeline, health);
  if (report.complete) {
    log_info("noroshi", "{}", report.summary);
  } else {
    log_error("noroshi", "{}", report.summary);
  }
  if (requested_exit_status() != 0) return requested_exit_status();
  return report.kept ? 0 : 1;  // what is kept is delivered by the next start
}

}  // namespace

int run(const RunArguments& arguments) {
  keep_freed_memory();
  forbid_core_dumps();
  if (!arguments.daemon) return run_until_signal(arguments, [] {});
  return run_in_background(
      [&](const std::function<void()>& started) { return run_until_signal(arguments, started); });
}

int check(const RunArguments& arguments) {
  if (!change_directory(arguments)) return 1;
  set_log_level(LogLevel::Error);
  Diagnostics diagnostics;
  const Document document = read_configuration(arguments, diagnostics);
  if (document.files.empty()) {
    diagnostics.print(stderr);
    std::fprintf(stderr, "configuration test has failed\n");
    return 1;
  }
  // Even after a syntax error: what can be read is checked too, so that one run shows everything.
  const std::unique_ptr<Pipeline> pipeline =
      Pipeline::build(document, build_options(arguments, true), diagnostics);
  if (pipeline != nullptr && pipeline->service().http_server) {
    const auto admin =
        HttpServer::start(admin_server_options(pipeline->service()),
                          HttpFunction([](const ServerRequest&) { return ServerResponse{}; }));
    if (!admin && admin.error().code == ErrorCode::Unavailable) {
      diagnostics.warning(pipeline->service().http_where, admin.error().message);
    } else if (!admin) {
      diagnostics.error(pipeline->service().http_where, admin.error().message);
    }
  }
  diagnostics.print(stderr);
  if (pipeline == nullptr || diagnostics.has_errors()) {
    std::fprintf(stderr, "configuration test has failed\n");
    return 1;
  }
  std::fprintf(stderr, "configuration test is successful\n");
  std::printf("effective pipeline:\n%s", pipeline->describe().c_str());
  return 0;
}

}  // namespace noroshi
