#include "base/exit_request.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace noroshi {
namespace {

std::atomic<int> g_status{0};

}  // namespace

void request_exit(int status) {
  int nobody = 0;
  if (g_status.compare_exchange_strong(nobody, status)) kill(getpid(), SIGTERM);
}

int requested_exit_status() { return g_status.load(); }

}  // namespace noroshi
