#include <fcntl.h>
#include <cerrno>
#include <cstdlib>

#include "aws/credentials.h"
#include "aws/error.h"
#include "base/unique_fd.h"

namespace noroshi {
namespace {

// Configuration and token files are small; more is a mistake.
constexpr size_t kFileBytesMax = 1 << 20;

Result<std::string> read_whole_file(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return fail_errno(errno, "cannot open " + path);
  std::string text;
  char buffer[16384];
  while (true) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "cannot read " + path);
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > kFileBytesMax)
      return fail(ErrorCode::InvalidArgument, path + " is over 1 MiB");
  }
}

}  // namespace

std::string AwsEnvironment::get(std::string_view name) const {
  return variable(name).value_or(std::string());
}

const AwsEnvironment& aws_process_environment() {
  static const AwsEnvironment environment{
      .variable = [](std::string_view name) -> std::optional<std::string> {
        const char* value = std::getenv(std::string(name).c_str());
        if (value == nullptr) return std::nullopt;
        return std::string(value);
      },
      .read_file = read_whole_file,
      .make_transport = make_http_transport,
      .clock = &system_clock(),
      .clock_skew = std::make_shared<ClockSkew>(),
  };
  return environment;
}

}  // namespace noroshi
