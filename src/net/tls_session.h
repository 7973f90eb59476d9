// TlsSession: TLS on one connected, non-blocking socket. It never waits: every call says what the
// socket must be ready for before the call is repeated. For StreamConnection and StreamClient.
//
// Not thread-safe. Does not own the socket; must not outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/tls.h"

namespace noroshi {

class TlsSession {
 public:
  // What the socket must become ready for. Nothing: done.
  enum class Wants : uint8_t { Nothing, Readable, Writable };
  struct Progress {
    size_t bytes = 0;
    Wants wants = Wants::Nothing;
  };

  // `host`: whom a client connects to, for SNI and the check of the certificate.
  [[nodiscard]] static Result<std::unique_ptr<TlsSession>> make(TlsContext& context, int socket,
                                                                const std::string& host = {});
  ~TlsSession();  // sends close_notify if that is possible at once
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Until Nothing. Denied: a certificate was refused; Corrupt: the peer does not speak TLS or not
  // ours; Io: the connection broke.
  [[nodiscard]] Result<Wants> handshake();
  // Fills as much of `into` as the socket gives. No bytes and Nothing: end of the stream.
  [[nodiscard]] Result<Progress> read(std::span<char> into);
  // After zero bytes the next call must begin with the same bytes.
  [[nodiscard]] Result<Progress> write(std::string_view bytes);
  // True if a read would give something: bytes, the end, or an error. Looks once; consumes only
  // what belongs to TLS itself (session tickets).
  [[nodiscard]] bool has_input();
  // True if a read may give bytes although the socket itself has none.
  [[nodiscard]] bool may_have_more() const { return may_have_more_; }

 private:
  TlsSession(SSL* ssl, bool client) : ssl_(ssl), client_(client) {}
  [[nodiscard]] Error handshake_error(int ssl_error) const;

  SSL* ssl_;
  const bool client_;
  bool established_ = false;
  bool broken_ = false;
  bool may_have_more_ = false;
};

}  // namespace noroshi
