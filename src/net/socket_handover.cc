#include "net/socket_handover.h"

#include <fcntl.h>

#include <map>

#include "base/mutex.h"

namespace noroshi {
namespace {

Mutex mutex;
std::multimap<std::string, int, std::less<>> offered GUARDED_BY(mutex);
int handovers GUARDED_BY(mutex) = 0;

}  // namespace

SocketHandover::SocketHandover() {
  MutexLock lock(mutex);
  ++handovers;
}

SocketHandover::~SocketHandover() {
  MutexLock lock(mutex);
  --handovers;
}

std::optional<UniqueFd> SocketHandover::take(std::string_view address) {
  MutexLock lock(mutex);
  const auto found = offered.find(address);
  if (handovers == 0 || found == offered.end()) return std::nullopt;
  UniqueFd copy(::fcntl(found->second, F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return std::nullopt;
  return copy;
}

OfferedSocket::OfferedSocket(std::string address, int fd) : address_(std::move(address)), fd_(fd) {
  MutexLock lock(mutex);
  offered.emplace(address_, fd_);
}

OfferedSocket::~OfferedSocket() {
  MutexLock lock(mutex);
  for (auto [at, end] = offered.equal_range(address_); at != end; ++at) {
    if (at->second != fd_) continue;
    offered.erase(at);
    return;
  }
}

bool OfferedSocket::shared() const {
  MutexLock lock(mutex);
  return offered.count(address_) > 1;
}

}  // namespace noroshi
