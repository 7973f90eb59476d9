// ForwardPeer: one server of the Forward protocol, and the connection to it. One thread. Every call
// returns by its deadline; after an error the connection is closed.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/forward_handshake.h"
#include "net/kept_connection.h"

namespace noroshi {

struct ForwardPeerOptions {
  StreamAddress address = {};
  std::shared_ptr<TlsContext> tls = {};
  std::optional<forward::Credentials> credentials = {};  // set: the server says HELO first
  forward::User user = {};
  ConnectionOptions connection = {};
};

class ForwardPeer {
 public:
  ForwardPeer(ForwardPeerOptions options, const Clock& clock);

  // A connection that frames may be sent on, the handshake done. Denied: certificate or shared_key.
  [[nodiscard]] Status connect(Monotonic deadline);
  // After connect(): true if the connection was made before this batch, and may have gone
  // unnoticed.
  [[nodiscard]] bool reused() const { return !fresh_; }
  // Sends one frame, and waits for the acknowledgement of `chunk_id` unless it is empty.
  [[nodiscard]] Status send(std::span<const std::string_view> frame, std::string_view chunk_id,
                            Monotonic deadline);
  void close() { connection_.close(); }

  [[nodiscard]] std::string name() const { return connection_.address().to_string(); }

 private:
  [[nodiscard]] Status shake_hands(Monotonic deadline);
  [[nodiscard]] Status wait_for_ack(std::string_view chunk_id, Monotonic deadline);

  ForwardPeerOptions options_;
  KeptConnection connection_;
  StreamClient* client_ = nullptr;
  bool fresh_ = false;
  bool close_after_use_ = false;  // the server's HELO says so
};

// The "ack" of an answer of a server at the front of `bytes`; nullopt: incomplete. Corrupt:
// anything else. Answers are at most kAnswerBytesMax long.
inline constexpr size_t kAnswerBytesMax = 4096;
[[nodiscard]] Result<std::optional<std::string_view>> parse_ack(std::string_view bytes);

}  // namespace noroshi
