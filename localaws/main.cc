// noroshi-localaws: command line, signals.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "localaws/data_directory.h"
#include "localaws/server.h"

namespace {

constexpr noroshi::Milliseconds kStopGrace{5000};

// "127.0.0.1:4566", "[::1]:4566", "4566" or "127.0.0.1".
bool parse_listen(const std::string& text, std::string& address, uint16_t& port) {
  std::string port_text;
  const size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string::npos) return false;
    address = text.substr(1, close - 1);
    if (close + 1 < text.size()) port_text = text.substr(close + 2);
  } else if (colon != std::string::npos) {
    address = text.substr(0, colon);
    port_text = text.substr(colon + 1);
  } else if (text.find('.') != std::string::npos) {
    address = text;
  } else {
    port_text = text;
  }
  if (port_text.empty()) return true;
  const auto [stop, error] =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  return error == std::errc() && stop == port_text.data() + port_text.size();
}

}  // namespace

int main(int argc, char** argv) {
  noroshi::localaws::Options options;
  std::string listen = "127.0.0.1:4566";
  int port = -1;
  std::string port_file;
  std::string log_level = "info";
  CLI::App app{
      "noroshi-localaws: S3, CloudWatch Logs, STS and container credentials on this machine"};
  app.set_version_flag("--version", NOROSHI_VERSION);
  app.add_option("--data", options.data, "Directory that keeps everything; made if missing")
      ->required();
  app.add_option("--listen", listen, "Address and port")->capture_default_str();
  app.add_option("--port", port, "Port alone, in place of --listen's; 0: any free one")
      ->check(CLI::Range(0, 65535));
  app.add_option("--port-file", port_file, "Writes the port there once it listens");
  app.add_option("--access-key", options.access_key, "The access key that may sign")
      ->capture_default_str();
  app.add_option("--secret-key", options.secret_key, "Its secret")->capture_default_str();
  app.add_option("--region", options.region,
                 "Refuses signatures for other regions; default: takes any");
  app.add_option("--account-id", options.account_id, "Account of ARNs")->capture_default_str();
  app.add_option(
      "--container-token", options.container_token,
      "What Authorization must be at the container credentials endpoint; default: anything");
  app.add_option("--bucket", options.buckets, "Makes this bucket at start (repeatable)");
  app.add_option("--delivery-stream", options.delivery_streams,
                 "Makes this Firehose delivery stream at start (repeatable)");
  app.add_option("--stream", options.streams,
                 "Makes this Kinesis data stream at start (repeatable)");
  app.add_option("--log-group", options.log_groups, "Makes this log group at start (repeatable)");
  app.add_option("--threads", options.threads, "Threads that serve requests")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Makes faults with a rate repeatable");
  app.add_option("--log-level", log_level, "error, warn, info or debug (a line per request)")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  noroshi::LogLevel level{};
  if (!noroshi::parse_log_level(log_level, level)) {
    fmt::print(stderr, "--log-level {}: error, warn, info or debug\n", log_level);
    return 1;
  }
  noroshi::set_log_level(level);
  if (!parse_listen(listen, options.address, options.port)) {
    fmt::print(stderr, "--listen {}: give ADDRESS:PORT, such as 127.0.0.1:4566\n", listen);
    return 1;
  }
  if (port >= 0) options.port = static_cast<uint16_t>(port);

  // Blocked before any thread exists, so that only sigwait() sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  auto server = noroshi::localaws::LocalAws::start(options, noroshi::system_clock());
  if (!server) {
    fmt::print(stderr, "noroshi-localaws: {}\n", server.error().message);
    return 1;
  }
  const uint16_t bound = (*server)->port();
  if (!port_file.empty()) {
    const auto status = noroshi::localaws::replace_file(port_file, fmt::format("{}\n", bound));
    if (!status) {
      fmt::print(stderr, "noroshi-localaws: {}\n", status.error().message);
      return 1;
    }
  }
  const bool ipv6 = options.address.find(':') != std::string::npos;
  fmt::print("noroshi-localaws listens on http://{}{}{}:{}\n", ipv6 ? "[" : "", options.address,
             ipv6 ? "]" : "", bound);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->stop(kStopGrace);
  return 0;
}
