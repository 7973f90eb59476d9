// StreamListener and StreamConnection: TCP and Unix stream sockets on an Asio loop, without
// blocking. Asio only tells readiness; reads and writes are plain system calls into the caller's
// own buffers, so that thousands of idle connections hold no buffer at all.
//
// Everything runs on the loop's thread; handlers are never called from inside the call that sets
// them. Destroying a connection or a listener cancels its waits: their handlers are not called any
// more.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace boost::asio {
class io_context;
}

namespace noroshi {

class TlsContext;  // net/tls.h
class TlsSession;  // net/tls_session.h

inline constexpr int kListenBacklogMin = 128;
// Fluent Bit's net.accept_timeout.
inline constexpr Nanoseconds kHandshakeTimeout = Seconds(10);
// TLS handshakes under way at one listener; while there are so many, the kernel queues connections.
inline constexpr size_t kHandshakesMax = 256;

class StreamConnection {
 public:
  // Takes a connected socket and makes it non-blocking. `peer` is for messages.
  StreamConnection(boost::asio::io_context& loop, UniqueFd socket, std::string peer);
  // The same with TLS over it, as a TLS listener gives them: read and write are of plain text.
  StreamConnection(boost::asio::io_context& loop, UniqueFd socket, std::string peer,
                   std::unique_ptr<TlsSession> tls);
  ~StreamConnection();
  StreamConnection(const StreamConnection&) = delete;
  StreamConnection& operator=(const StreamConnection&) = delete;

  // Calls `ready` once when reading would not block (data, end of stream or an error).
  void when_readable(std::function<void()> ready);
  void when_writable(std::function<void()> ready);
  // Takes the socket out of the loop's epoll, which Asio would otherwise have wake the thread for
  // every segment that comes, whether anybody waits or not. For who will read later by itself; no
  // wait may be under way. The next when_…() puts it back. Two system calls.
  void rest();

  // One recv(2) (or what TLS has): bytes read, 0 at the end of the stream, nullopt when there is
  // nothing now.
  [[nodiscard]] Result<std::optional<size_t>> read(std::span<char> into);
  // One send(2): bytes taken, nullopt when the socket's buffer is full; the next call must then
  // begin with the same bytes. Never raises SIGPIPE.
  [[nodiscard]] Result<std::optional<size_t>> write(std::string_view bytes);
  // After this, read() gives what the kernel already holds and then 0. What a TCP peer's kernel
  // holds back until we acknowledge what came before (Nagle's algorithm) is asked for.
  void shutdown_read();
  // Makes the destructor tell a TCP peer that still has its side open by a reset: its next write
  // fails. After a plain close it would succeed once more, into nothing. What is written to the
  // peer and not yet with it is lost. (Unix sockets: shutdown_read() has told already.)
  void reset_when_closed();

  // "127.0.0.1:40000", "unix:pid 123 uid 0".
  [[nodiscard]] const std::string& peer() const;
  [[nodiscard]] int fd() const;

 private:
  struct Impl;
  [[nodiscard]] Result<std::optional<size_t>> read_once(std::span<char> into);
  std::unique_ptr<Impl> impl_;
};

struct UnixListenOptions {
  std::string path = {};                     // at most 107 bytes (sun_path)
  std::optional<uint32_t> permissions = {};  // chmod after bind; nullopt: what the umask leaves
};

class StreamListener {
 public:
  // `host`: an IP address, "::" (takes IPv4 too), or a name that resolves to one. SO_REUSEADDR is
  // set. Fails with InvalidArgument (address, path too long), Denied, Io ("address already in
  // use").
  [[nodiscard]] static Result<std::unique_ptr<StreamListener>> listen_tcp(
      boost::asio::io_context& loop, const std::string& host, uint16_t port,
      int backlog = kListenBacklogMin);
  // A stale *socket* at the path is replaced; anything else there is an error that names it. The
  // file is removed when the listener is destroyed (unless another process has replaced it
  // meanwhile).
  [[nodiscard]] static Result<std::unique_ptr<StreamListener>> listen_unix(
      boost::asio::io_context& loop, UnixListenOptions options, int backlog = kListenBacklogMin);
  ~StreamListener();
  StreamListener(const StreamListener&) = delete;
  StreamListener& operator=(const StreamListener&) = delete;

  // Before start(): connections speak TLS, `accepted` is called when the handshake is done. One
  // that fails or takes longer than `handshake_timeout` costs its sender the connection, and one
  // log line an episode. Null: no TLS.
  void use_tls(std::shared_ptr<TlsContext> tls, Nanoseconds handshake_timeout = kHandshakeTimeout);

  // Calls `accepted` for every connection from now on. Before it the kernel queues them. Out of
  // descriptors: tries again every 100 ms, one log line per episode.
  void start(std::function<void(std::unique_ptr<StreamConnection>)> accepted);
  // While paused the kernel queues connections (up to the backlog); nobody is refused by us.
  void pause();
  void resume();
  // Takes at once what the kernel has queued, also while paused: for shutdown.
  void accept_now();

  [[nodiscard]] uint16_t port() const;  // 0 for a Unix socket
  // "0.0.0.0:24224", "[::]:24224", "unix:/var/run/fluent.sock".
  [[nodiscard]] const std::string& address() const;

 private:
  struct Impl;
  explicit StreamListener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace noroshi
