#include "input/datagram_server.h"

namespace noroshi {
namespace {

// UDP's largest datagram is smaller; Unix datagrams end at net.core.wmem_max, 208 KiB by default.
constexpr size_t kDatagramBytesMax = 256 << 10;
constexpr size_t kChunkBytesFull = 1 << 20;
constexpr size_t kChunkRecordsFull = 16384;
constexpr int kDatagramsPerWakeUp = 1024;  // so that a flood starves nobody
constexpr Milliseconds kQuiet{500};        // without a datagram for so long: not busy
// Shutdown: how long a flood is read that does not end.
constexpr Nanoseconds kReadToTheEndMax = Seconds(2);
constexpr std::string_view kTruncated = "a datagram is longer than 256 KiB: its end is missing";

}  // namespace

DatagramServer::DatagramServer(boost::asio::io_context& loop,
                               std::unique_ptr<DatagramSocket> socket, std::string name,
                               std::string tag, std::unique_ptr<Framer> framer,
                               MessageReader& reader, ChunkSink& sink, InputMetrics& metrics)
    : socket_(std::move(socket)),
      log_name_("input:" + name),
      tag_(std::move(tag)),
      framer_(std::move(framer)),
      reader_(reader),
      metrics_(metrics),
      source_(loop, sink, metrics, log_name_, [this] { read(); }),
      buffer_(new char[kDatagramBytesMax]) {
  listen();
}

void DatagramServer::listen() {
  if (closed_) return;
  socket_->when_readable([this] { read(); });
}

void DatagramServer::read() {
  if (closed_ || source_.waiting()) return;
  if (take_waiting()) listen();
}

bool DatagramServer::take_waiting() {
  more_ = false;
  int taken = 0;
  for (; taken < kDatagramsPerWakeUp; ++taken) {
    if ((chunk_.body.size() >= kChunkBytesFull || chunk_.records.size() >= kChunkRecordsFull) &&
        !source_.hand_on(chunk_)) {
      return false;
    }
    const auto datagram = socket_->receive({buffer_.get(), kDatagramBytesMax});
    if (!datagram) {
      if (const auto times = log_errors_.admit())
        log_error(log_name_, "{} ({} times)", datagram.error().message, times);
      break;
    }
    if (!*datagram) break;
    take(**datagram);
  }
  more_ = taken == kDatagramsPerWakeUp;
  return source_.hand_on(chunk_);
}

void DatagramServer::take(const Datagram& datagram) {
  last_read_ = system_clock().monotonic();
  if (datagram.lost_before != 0) {
    metrics_.malformed.add(datagram.lost_before);
    if (const auto times = log_lost_.admit()) {
      log_error(log_name_,
                "LOST {} datagrams: they came faster than they are read, and the kernel's buffer "
                "was full ({} times)",
                datagram.lost_before, times);
    }
  }
  if (datagram.truncated) malformed(datagram.source, kTruncated);
  chunk_.tag = tag_;
  std::string_view bytes(buffer_.get(), datagram.size);
  for (;;) {
    const Found found = framer_->next(bytes, true);
    bytes.remove_prefix(found.bytes);
    if (!found.problem.empty()) malformed(datagram.source, found.problem);
    if (found.kind == Found::Kind::Incomplete) break;
    if (found.kind != Found::Kind::Message) continue;
    (void)reader_.append(found.message, datagram.source, chunk_);
    if (!reader_.problem().empty()) malformed(datagram.source, reader_.problem());
  }
}

void DatagramServer::malformed(std::string_view source, std::string_view problem) {
  metrics_.malformed.add();
  if (const auto times = log_malformed_.admit()) {
    log_warn(log_name_, "from {}: {} ({} times)", source, problem, times);
  }
}

bool DatagramServer::busy() const {
  return source_.waiting() || system_clock().monotonic() - last_read_ < kQuiet;
}

void DatagramServer::close() {
  if (std::exchange(closed_, true)) return;
  if (!source_.close()) return;
  const Monotonic until = system_clock().monotonic() + kReadToTheEndMax;
  do {
    if (!take_waiting()) return (void)source_.close();
  } while (more_ && system_clock().monotonic() < until);
  socket_.reset();  // a sender to a Unix socket learns it with its next datagram
}

}  // namespace noroshi
