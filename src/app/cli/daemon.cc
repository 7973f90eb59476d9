#include "app/cli/daemon.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>

namespace noroshi {
namespace {

void tell(int pipe, int status) {
  const auto byte = static_cast<uint8_t>(status);
  while (write(pipe, &byte, 1) < 0 && errno == EINTR) {
  }
  close(pipe);
}

[[noreturn]] void wait_for_child(int pipe) {
  uint8_t status = 1;  // the child died without a word
  while (read(pipe, &status, 1) < 0 && errno == EINTR) {
  }
  _exit(status);
}

void let_terminal_go() {
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nothing < 0) return;
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nothing, fd);
  if (nothing > STDERR_FILENO) close(nothing);
}

}  // namespace

int run_in_background(const std::function<int(const std::function<void()>& started)>& work) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    std::perror("noroshi: cannot go into the background");
    return 1;
  }
  const pid_t child = fork();
  if (child < 0) {
    std::perror("noroshi: cannot go into the background");
    return 1;
  }
  if (child > 0) {
    close(ends[1]);
    wait_for_child(ends[0]);
  }
  close(ends[0]);
  setsid();
  bool told = false;
  const int status = work([&] {
    if (told) return;
    told = true;
    std::fflush(nullptr);
    tell(ends[1], 0);
    let_terminal_go();
  });
  if (!told) tell(ends[1], status);
  return status;
}

}  // namespace noroshi
