// StreamClient: one outgoing TCP, TLS or Unix stream connection for a thread that may block. Every
// operation has a deadline; what the deadline cuts leaves the connection unusable (close it).
//
//   NOROSHI_ASSIGN(auto client, StreamClient::connect(address, tls, deadline));
//   NOROSHI_TRY(client->write({{head, body}}, deadline));
//   NOROSHI_ASSIGN(const size_t count, client->read(buffer, deadline));
//
// Used by one thread at a time. Never raises SIGPIPE.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "net/tls.h"

namespace noroshi {

class TlsSession;  // net/tls_session.h

struct StreamAddress {
  std::string host = {};
  uint16_t port = 0;
  std::string unix_path = {};       // instead of host and port
  std::string source_address = {};  // IP address to connect from; empty: any

  [[nodiscard]] std::string to_string() const;  // "log.example:24224", "unix:/run/x.sock"
};

class StreamClient {
 public:
  // Looks the name up, tries its addresses in turn, and does the TLS handshake if `tls` is not
  // null. Unavailable, NotFound, Timeout, Denied (certificates): the message names the address.
  [[nodiscard]] static Result<std::unique_ptr<StreamClient>> connect(
      const StreamAddress& address, const std::shared_ptr<TlsContext>& tls, Monotonic deadline);
  ~StreamClient();
  StreamClient(const StreamClient&) = delete;
  StreamClient& operator=(const StreamClient&) = delete;

  // All of `pieces`, in order, gathered into as few system calls as possible.
  [[nodiscard]] Status write(std::span<const std::string_view> pieces, Monotonic deadline);
  [[nodiscard]] Status write(std::string_view bytes, Monotonic deadline) {
    return write(std::span(&bytes, 1), deadline);
  }
  // Like write(), but where it has to wait for the peer it stops when that says something or closes
  // instead, and returns the bytes written: for who may answer before it has taken everything.
  [[nodiscard]] Result<size_t> write_until_input(std::string_view bytes, Monotonic deadline);
  // At least one byte; 0 when the peer has ended the stream.
  [[nodiscard]] Result<size_t> read(std::span<char> into, Monotonic deadline);
  // True when there is something to read (the end as well); false: not before `deadline`.
  [[nodiscard]] Result<bool> wait_for_input(Monotonic deadline);
  // False if the peer has closed, or sent what nobody asked for. Costs one system call; look before
  // using a connection again that was idle: a write to a closed one may seem to succeed.
  [[nodiscard]] bool reusable() { return !has_input(); }
  // TLS from here on, for what was connected without it (behind a proxy). `host`: for SNI and the
  // check of the certificate.
  [[nodiscard]] Status start_tls(TlsContext& tls, const std::string& host, Monotonic deadline);

  [[nodiscard]] const std::string& peer() const { return peer_; }  // with the address it reached

 private:
  StreamClient(UniqueFd socket, std::string peer);
  [[nodiscard]] bool has_input();  // looks once, and consumes nothing
  [[nodiscard]] Status write_plain(std::span<const std::string_view> pieces, Monotonic deadline);
  [[nodiscard]] Status write_tls(std::string_view bytes, Monotonic deadline);
  [[nodiscard]] Status wait(short events, Monotonic deadline, std::string_view for_what) const;

  UniqueFd socket_;
  std::unique_ptr<TlsSession> tls_;  // ends before its socket
  std::string peer_;
};

}  // namespace noroshi
