#include "app/ship/sender.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>

#include "base/log.h"
#include "record/msgpack_reader.h"

namespace noroshi::ship {
namespace {

constexpr std::string_view kLogName = "ship";
constexpr Milliseconds kConnectLimit{3000};  // Docker's dial timeout
constexpr Milliseconds kBackoffFirst{50};    // Docker waits 1 s, then up to 60 s: a minute blind
constexpr Milliseconds kBackoffMax{2000};
constexpr Milliseconds kIdleWait{
    250};  // between two looks at the connection when there is nothing to do
constexpr Milliseconds kAckWait{5};  // for an ack, before a look whether there are new lines
constexpr Milliseconds kWriteWait{
    100};  // for a router that does not read, before a look at the deadline
constexpr size_t kAnswerBytesMax = 1 << 20;

Monotonic now() { return system_clock().monotonic(); }

Status finish_connecting(int socket, Milliseconds limit) {
  pollfd waiting{socket, POLLOUT, 0};
  const int ready = ::poll(&waiting, 1, static_cast<int>(limit.count()));
  if (ready == 0) return fail(ErrorCode::Timeout, "timed out");
  int error = 0;
  socklen_t size = sizeof error;
  if (ready < 0 || ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return fail(ErrorCode::Unavailable, std::strerror(error));
  return {};
}

Result<UniqueFd> connect_address(const sockaddr* address, socklen_t size, Milliseconds limit) {
  UniqueFd socket(::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail_errno(errno, "socket");
  if (::connect(socket.get(), address, size) != 0) {
    // A Unix socket whose backlog is full says EAGAIN; there is nothing to wait for.
    if (errno != EINPROGRESS) return fail(ErrorCode::Unavailable, std::strerror(errno));
    NOROSHI_TRY(finish_connecting(socket.get(), limit));
  }
  return socket;
}

}  // namespace

std::string Destination::to_string() const {
  return unix_path.empty() ? fmt::format("{}:{}", host, port) : "unix:" + unix_path;
}

Result<UniqueFd> connect_to(const Destination& destination, Milliseconds limit) {
  if (!destination.unix_path.empty()) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (destination.unix_path.size() >= sizeof address.sun_path) {
      return fail(ErrorCode::InvalidArgument, "the path of the Unix socket is too long");
    }
    std::memcpy(address.sun_path, destination.unix_path.data(), destination.unix_path.size());
    return connect_address(reinterpret_cast<sockaddr*>(&address), sizeof address, limit);
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(destination.port);
  if (const int error = ::getaddrinfo(destination.host.c_str(), port.c_str(), &hints, &found);
      error != 0) {
    return fail(ErrorCode::Unavailable, ::gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  Result<UniqueFd> socket = fail(ErrorCode::Unavailable, "no address");
  for (const addrinfo* each = addresses.get(); each != nullptr; each = each->ai_next) {
    socket = connect_address(each->ai_addr, each->ai_addrlen, limit);
    if (socket) {
      const int on = 1;
      ::setsockopt(socket->get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return socket;
    }
  }
  return socket;
}

Sender::Sender(SendQueue& queue, Destination destination, bool acks)
    : queue_(queue),
      destination_(std::move(destination)),
      acks_(acks),
      deadline_ns_(Monotonic::max().time_since_epoch().count()),
      thread_([this] { run(); }) {}

Sender::~Sender() {
  finish_by(now());
  join();
}

void Sender::finish_by(Monotonic deadline) {
  deadline_ns_ = std::min<int64_t>(deadline_ns_, deadline.time_since_epoch().count());
}

void Sender::join() {
  if (thread_.joinable()) thread_.join();
}

Monotonic Sender::deadline() const { return Monotonic(Nanoseconds(deadline_ns_.load())); }
bool Sender::past_deadline() const { return now() >= deadline(); }

void Sender::run() {
  while (!past_deadline()) {
    if (!take_block()) break;
    if (!socket_.valid()) {
      if (!window_.empty() && !connect()) wait_before_connecting();
      continue;
    }
    Status status = read_some();
    if (status) status = write_some();
    if (!status) {
      disconnect(status.error().message);
      continue;
    }
    if (anything_to_write()) {
      wait_for_socket(true, kWriteWait);
    } else if (!window_.empty()) {
      wait_for_socket(false, kAckWait);
    }
  }
  for (const Sending& sending : window_) {
    left_ += acks_ ? sending.unacknowledged : sending.block.records() - sending.next;
  }
  queue_.abandon();
}

bool Sender::take_block() {
  const bool room =
      acks_ ? window_.empty() || (!anything_to_write() && window_records_ < kWindowRecords)
            : window_.empty();
  if (!room) return true;
  const bool idle = window_.empty();
  std::optional<FrameBlock> block =
      queue_.pop(idle ? std::min(now() + kIdleWait, deadline()) : now());
  if (block) {
    Sending sending;
    sending.unacknowledged = block->records();
    sending.acknowledged.assign(block->records(), false);
    sending.block = *std::move(block);
    window_records_ += sending.block.records();
    window_.push_back(std::move(sending));
    return true;
  }
  return !(idle && queue_.finished() && queue_.empty());
}

bool Sender::connect() {
  const auto left = std::chrono::duration_cast<Milliseconds>(deadline() - now());
  auto socket = connect_to(destination_, std::clamp(left, Milliseconds(1), kConnectLimit));
  if (!socket) {
    if (!std::exchange(told_unreachable_, true)) {
      log_warn(kLogName, "cannot reach {}: {}; trying again until it answers",
               destination_.to_string(), socket.error().message);
    }
    return false;
  }
  if (std::exchange(told_unreachable_, false))
    log_info(kLogName, "{} answers again", destination_.to_string());
  socket_ = *std::move(socket);
  backoff_ = Milliseconds(0);
  ++connections_;
  return true;
}

void Sender::wait_before_connecting() {
  static thread_local std::minstd_rand random(std::random_device{}());
  backoff_ = std::clamp(backoff_ * 2, kBackoffFirst, kBackoffMax);
  const auto jitter = Milliseconds(random() % static_cast<uint64_t>(backoff_.count() / 2 + 1));
  const Monotonic until = std::min(now() + backoff_ - jitter, deadline());
  while (now() < until)
    std::this_thread::sleep_for(std::min<Nanoseconds>(until - now(), Milliseconds(20)));
}

void Sender::disconnect(std::string_view why) {
  if (!window_.empty() && !std::exchange(told_unreachable_, true)) {
    log_warn(kLogName, "connection to {} lost: {}", destination_.to_string(), why);
  }
  socket_.reset();
  answers_.clear();
  for (Sending& sending : window_) {
    if (acks_) {
      sending.rewind();  // what is acknowledged is skipped when it is written again
    } else {
      sending.within = 0;
    }
  }
}

bool Sender::anything_to_write() const {
  return std::ranges::any_of(window_, [](const Sending& sending) { return !sending.written(); });
}

Status Sender::write_some() {
  bool full = false;
  for (Sending& sending : window_) {
    while (!sending.written() && !full) NOROSHI_TRY(write_block(sending, full));
    if (full) break;
  }
  while (!window_.empty() && !acks_ && window_.front().written()) {
    window_records_ -= window_.front().block.records();
    window_.pop_front();
  }
  return {};
}

Status Sender::write_block(Sending& sending, bool& full) {
  const FrameBlock& block = sending.block;
  if (sending.within == 0 && sending.acknowledged[sending.next]) {
    sending.next_position += block.sizes[sending.next++];
    return {};
  }
  // All frames up to the next one that is acknowledged already, in one write.
  size_t bytes = 0;
  for (size_t n = sending.next;
       n < block.records() && (n == sending.next || !sending.acknowledged[n]); ++n) {
    bytes += block.sizes[n];
  }
  const ssize_t count =
      ::send(socket_.get(), block.bytes.data() + sending.next_position + sending.within,
             bytes - sending.within, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0) {
    if (errno == EINTR) return {};
    if (errno != EAGAIN && errno != EWOULDBLOCK) return fail_errno(errno, "write");
    full = true;
    return {};
  }
  sending.within += static_cast<size_t>(count);
  while (!sending.written() && sending.within >= block.sizes[sending.next]) {
    sending.within -= block.sizes[sending.next];
    sending.next_position += block.sizes[sending.next++];
    if (!acks_) ++sent_;
  }
  return {};
}

Status Sender::read_some() {
  char buffer[16384];
  for (;;) {
    const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (count == 0) return fail(ErrorCode::Unavailable, "closed by the router");
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return {};
      return fail_errno(errno, "read");
    }
    if (!acks_) continue;  // nothing was asked, nothing is expected
    answers_.append(buffer, static_cast<size_t>(count));
    NOROSHI_TRY(take_acks());
  }
}

Status Sender::take_acks() {
  size_t taken = 0;
  while (taken < answers_.size()) {
    MsgpackReader reader(std::string_view(answers_).substr(taken));
    const auto whole = reader.skip();
    if (!whole) {
      if (whole.error() == MsgpackError::Truncated && answers_.size() - taken < kAnswerBytesMax)
        break;
      return fail(ErrorCode::Corrupt, "the router's answer is not MessagePack");
    }
    taken += whole->size();
    MsgpackReader answer(*whole);
    const uint32_t pairs = answer.read_map().value_or(0);
    for (uint32_t n = 0; n < pairs; ++n) {
      const auto key = answer.read_binary();
      const auto value = answer.read_binary();
      if (!key || !value) break;
      if (*key == "ack") acknowledge(*value);
    }
  }
  answers_.erase(0, taken);
  return {};
}

// Acks nearly always come in order, so the search begins where the first open frame is expected and
// goes round.
void Sender::acknowledge(std::string_view ack_id) {
  for (Sending& sending : window_) {
    const size_t records = sending.block.records();
    const size_t begin = records - sending.unacknowledged;
    for (size_t step = 0; step < records; ++step) {
      const size_t n = (begin + step) % records;
      if (sending.acknowledged[n] || sending.block.ack_ids[n] != ack_id) continue;
      sending.acknowledged[n] = true;
      --sending.unacknowledged;
      --window_records_;
      ++sent_;
      while (!window_.empty() && window_.front().unacknowledged == 0) window_.pop_front();
      return;
    }
  }
}

void Sender::wait_for_socket(bool to_write, Milliseconds limit) {
  pollfd waiting{socket_.get(), static_cast<short>(POLLIN | (to_write ? POLLOUT : 0)), 0};
  (void)::poll(&waiting, 1, static_cast<int>(limit.count()));
}

}  // namespace noroshi::ship
