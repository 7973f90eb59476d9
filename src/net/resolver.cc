#include "net/resolver.h"

#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>

#include "base/mutex.h"
#include "base/thread_deadline.h"

namespace noroshi {
namespace {

std::atomic<int> lookups_under_way{0};

// What the waiting thread and the look-up's thread share.
struct Lookup {
  Mutex mutex = {};
  ConditionVariable done_changed = {};
  bool done GUARDED_BY(mutex) = false;
  int error GUARDED_BY(mutex) = 0;
  std::vector<SocketAddress> addresses GUARDED_BY(mutex) = {};
};

int look_up(const std::string& host, uint16_t port, int flags,
            std::vector<SocketAddress>& addresses) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;  // each address once
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return error;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    if (addresses.size() == kAddressesMax) break;
    SocketAddress address;
    std::memcpy(&address.storage, each->ai_addr, each->ai_addrlen);
    address.size = each->ai_addrlen;
    addresses.push_back(address);
  }
  return 0;
}

void look_up_and_tell(const std::shared_ptr<Lookup>& lookup, const std::string& host,
                      uint16_t port) {
  std::vector<SocketAddress> addresses;
  const int error = look_up(host, port, 0, addresses);
  {
    MutexLock lock(lookup->mutex);
    lookup->done = true;
    lookup->error = error;
    lookup->addresses = std::move(addresses);
  }
  lookup->done_changed.notify_all();
  --lookups_under_way;
}

}  // namespace

Result<std::vector<SocketAddress>> resolve(const std::string& host, uint16_t port,
                                           Monotonic deadline) {
  std::vector<SocketAddress> numeric;
  if (look_up(host, port, AI_NUMERICHOST, numeric) == 0) return numeric;

  if (++lookups_under_way > kHangingLookupsMax) {
    --lookups_under_way;
    return fail(ErrorCode::Unavailable,
                fmt::format("cannot resolve {}: {} earlier look-ups have not ended", host,
                            kHangingLookupsMax));
  }
  auto lookup = std::make_shared<Lookup>();
  try {
    std::thread([lookup, host, port] { look_up_and_tell(lookup, host, port); }).detach();
  } catch (const std::system_error& failure) {
    --lookups_under_way;
    return fail(ErrorCode::Exhausted, fmt::format("cannot resolve {}: {}", host, failure.what()));
  }
  MutexLock lock(lookup->mutex);
  while (!lookup->done) {
    const Monotonic now = system_clock().monotonic();
    if (now >= std::min(deadline, ThreadDeadline::current()))
      return fail(ErrorCode::Timeout,
                  fmt::format("cannot resolve {}: the name server does not answer", host));
    lookup->done_changed.wait_until(lookup->mutex, ThreadDeadline::next_look(now, deadline));
  }
  if (lookup->error != 0) {
    const bool no_such_name = lookup->error == EAI_NONAME;
    return fail(no_such_name ? ErrorCode::NotFound : ErrorCode::Unavailable,
                fmt::format("cannot resolve {}: {}", host, ::gai_strerror(lookup->error)));
  }
  return std::move(lookup->addresses);
}

}  // namespace noroshi
