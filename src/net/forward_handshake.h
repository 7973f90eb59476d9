// The handshake of the Forward protocol, both sides (github.com/fluent/fluentd/wiki/
// Forward-Protocol-Specification-v1.5, "Handshake"): the messages as bytes, and the digests that
// prove that both know the key without sending it.
//
//   server → ["HELO", {"nonce": …, "auth": salt for passwords or "", "keepalive": true}]
//   client → ["PING", hostname, salt, digest(client's hostname), username, password digest or ""]
//   server → ["PONG", true, "", hostname, digest(server's hostname)] or ["PONG", false, reason, "",
//   ""]
//
// Pure functions, without a socket. A server's nonce and salt are random bytes and sent as bin:
// libraries that decode str as UTF-8 (npm's) would change them. A client's salt is hexadecimal
// text: Fluent Bit's server takes str only. Everything is read as bin or str.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace noroshi::forward {

// No message of a handshake is larger. (Fluent Bit's limit is 1,023 bytes in one read.)
inline constexpr size_t kHandshakeBytesMax = 4096;
inline constexpr size_t kNonceBytes = 16;

struct Hello {
  std::string nonce = {};
  std::string auth = {};  // empty: no user authentication
  bool keepalive = true;
};
struct Ping {
  std::string hostname = {};
  std::string salt = {};
  std::string key_digest = {};
  std::string username = {};
  std::string password_digest = {};
};
struct Pong {
  bool accepted = false;
  std::string reason = {};
  std::string hostname = {};
  std::string key_digest = {};
};

// What both sides prove to each other.
struct Credentials {
  std::string shared_key = {};
  std::string self_hostname = {};
};
struct User {
  std::string name = {};
  std::string password = {};
};

[[nodiscard]] std::string encode(const Hello& hello);
[[nodiscard]] std::string encode(const Ping& ping);
[[nodiscard]] std::string encode(const Pong& pong);

// Who may send to a server: clients that know the key, and the password of one of the users if
// there are any.
struct Security {
  Credentials own = {};
  std::vector<User> users = {};
};

template <typename Message>
struct Decoded {
  Message message = {};
  size_t bytes = 0;  // it had
};
// The message at the front of `bytes`; nullopt: more bytes are needed. Corrupt: it is something
// else, and the message says what was expected.
[[nodiscard]] Result<std::optional<Decoded<Hello>>> decode_hello(std::string_view bytes);
[[nodiscard]] Result<std::optional<Decoded<Ping>>> decode_ping(std::string_view bytes);
[[nodiscard]] Result<std::optional<Decoded<Pong>>> decode_pong(std::string_view bytes);

// hex(sha512(salt + hostname + nonce + shared_key)): 128 characters.
[[nodiscard]] std::string key_digest(std::string_view salt, std::string_view hostname,
                                     std::string_view nonce, std::string_view shared_key);
// hex(sha512(auth + username + password)).
[[nodiscard]] std::string password_digest(std::string_view auth, const User& user);
// In a time that does not tell where they differ.
[[nodiscard]] bool same_secret(std::string_view a, std::string_view b);
// From the system's generator.
[[nodiscard]] std::string random_bytes(size_t count);

// Server: a fresh HELO, and the answer to the PING that follows it.
[[nodiscard]] Hello make_hello(const Security& security);
[[nodiscard]] Pong answer_ping(const Ping& ping, const Hello& hello, const Security& security);

// Client: the answer to a HELO, and whether the PONG to it is good (Denied: the server refused us,
// or does not know the key itself).
[[nodiscard]] Ping answer_hello(const Hello& hello, const Credentials& own, const User& user);
[[nodiscard]] Status check_pong(const Pong& pong, const Ping& ping, const Hello& hello,
                                const Credentials& own);

}  // namespace noroshi::forward
