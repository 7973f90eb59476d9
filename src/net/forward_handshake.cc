#include "net/forward_handshake.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>

#include "base/check.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"

namespace noroshi::forward {
namespace {

constexpr size_t kDigestBytes = 64;  // SHA-512

std::string to_hex(std::string_view bytes) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    hex.append({kHex[value >> 4], kHex[value & 15]});
  }
  return hex;
}

std::string sha512_hex(std::initializer_list<std::string_view> pieces) {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  std::array<unsigned char, kDigestBytes> digest{};
  bool good = context != nullptr && EVP_DigestInit_ex(context, EVP_sha512(), nullptr) == 1;
  for (const std::string_view piece : pieces)
    good = good && EVP_DigestUpdate(context, piece.data(), piece.size()) == 1;
  good = good && EVP_DigestFinal_ex(context, digest.data(), nullptr) == 1;
  EVP_MD_CTX_free(context);
  CHECK(good, "OpenSSL cannot compute SHA-512");
  return to_hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

// Reads the fields of one message; the first failure stays.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : reader_(bytes.substr(0, kHandshakeBytesMax)) {}

  uint32_t array() { return take(reader_.read_array()); }
  uint32_t map() { return take(reader_.read_map()); }
  bool boolean() { return take(reader_.read_bool()); }
  std::string_view text() { return take(reader_.read_binary()); }  // or string
  MsgpackType type() { return take(reader_.peek()); }
  void skip(uint32_t values = 1) {
    for (uint32_t i = 0; i < values && good(); ++i) (void)take(reader_.skip());
  }
  [[nodiscard]] bool good() const { return !error_; }
  [[nodiscard]] bool truncated() const { return error_ == MsgpackError::Truncated; }
  [[nodiscard]] size_t position() const { return reader_.position(); }

 private:
  template <typename T>
  T take(MsgpackResult<T> result) {
    if (error_) return T{};
    if (!result) {
      error_ = result.error();
      return T{};
    }
    return *result;
  }

  MsgpackReader reader_;
  std::optional<MsgpackError> error_;
};

// Reads ["NAME", … at least `elements` in all] with `read` and skips what else there is.
template <typename Message, typename Read>
Result<std::optional<Decoded<Message>>> decode(std::string_view bytes, std::string_view name,
                                               uint32_t elements, Read read) {
  Fields fields(bytes);
  const uint32_t count = fields.array();
  const std::string_view given = fields.text();
  Decoded<Message> decoded;
  if (fields.good() && given == name && count >= elements) {
    read(fields, decoded.message);
    fields.skip(count - elements);
    if (fields.good()) {
      decoded.bytes = fields.position();
      return decoded;
    }
  }
  // The name shows as soon as it has come, although the message may be long.
  const bool may_become_good = fields.truncated() && (given.empty() || given == name);
  if (may_become_good && bytes.size() < kHandshakeBytesMax) return std::nullopt;
  if (given == name || given.empty() || !fields.good())
    return fail(ErrorCode::Corrupt, fmt::format("what should be a {} is none", name));
  return fail(ErrorCode::Corrupt, fmt::format("instead of {} it sends something else", name));
}

}  // namespace

std::string encode(const Hello& hello) {
  std::string bytes;
  MsgpackWriter writer(bytes);
  writer.array_header(2);
  writer.string("HELO");
  writer.map_header(3);
  writer.string("nonce"), writer.binary(hello.nonce);
  // An empty one as str: "" is how the specification says "none".
  writer.string("auth");
  if (hello.auth.empty()) {
    writer.string("");
  } else {
    writer.binary(hello.auth);
  }
  writer.string("keepalive"), writer.boolean(hello.keepalive);
  return bytes;
}

std::string encode(const Ping& ping) {
  std::string bytes;
  MsgpackWriter writer(bytes);
  writer.array_header(6);
  writer.string("PING"), writer.string(ping.hostname), writer.string(ping.salt);
  writer.string(ping.key_digest), writer.string(ping.username);
  writer.string(ping.password_digest);
  return bytes;
}

std::string encode(const Pong& pong) {
  std::string bytes;
  MsgpackWriter writer(bytes);
  writer.array_header(5);
  writer.string("PONG"), writer.boolean(pong.accepted), writer.string(pong.reason);
  writer.string(pong.hostname), writer.string(pong.key_digest);
  return bytes;
}

Result<std::optional<Decoded<Hello>>> decode_hello(std::string_view bytes) {
  return decode<Hello>(bytes, "HELO", 2, [](Fields& fields, Hello& hello) {
    if (fields.type() == MsgpackType::Nil) return fields.skip();
    const uint32_t pairs = fields.map();
    for (uint32_t i = 0; i < pairs && fields.good(); ++i) {
      const std::string_view key = fields.text();
      if (key == "nonce") {
        hello.nonce = fields.text();
      } else if (key == "auth" && fields.type() != MsgpackType::Nil) {
        hello.auth = fields.text();
      } else if (key == "keepalive" && fields.type() == MsgpackType::Bool) {
        hello.keepalive = fields.boolean();
      } else {
        fields.skip();
      }
    }
  });
}

Result<std::optional<Decoded<Ping>>> decode_ping(std::string_view bytes) {
  return decode<Ping>(bytes, "PING", 6, [](Fields& fields, Ping& ping) {
    ping.hostname = fields.text();
    ping.salt = fields.text();
    ping.key_digest = fields.text();
    // Clients without a user send "" or nil.
    for (std::string* field : {&ping.username, &ping.password_digest}) {
      if (fields.type() == MsgpackType::Nil) {
        fields.skip();
      } else {
        *field = fields.text();
      }
    }
  });
}

Result<std::optional<Decoded<Pong>>> decode_pong(std::string_view bytes) {
  return decode<Pong>(bytes, "PONG", 5, [](Fields& fields, Pong& pong) {
    pong.accepted = fields.boolean();
    for (std::string* field : {&pong.reason, &pong.hostname, &pong.key_digest}) {
      if (fields.type() == MsgpackType::Nil) {
        fields.skip();
      } else {
        *field = fields.text();
      }
    }
  });
}

std::string key_digest(std::string_view salt, std::string_view hostname, std::string_view nonce,
                       std::string_view shared_key) {
  return sha512_hex({salt, hostname, nonce, shared_key});
}

std::string password_digest(std::string_view auth, const User& user) {
  return sha512_hex({auth, user.name, user.password});
}

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_bytes(size_t count) {
  std::string bytes(count, '\0');
  const int got =
      RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count));
  CHECK(got == 1, "the system gives no random bytes");
  return bytes;
}

Hello make_hello(const Security& security) {
  return {.nonce = random_bytes(kNonceBytes),
          .auth = security.users.empty() ? std::string() : random_bytes(kNonceBytes)};
}

Pong answer_ping(const Ping& ping, const Hello& hello, const Security& security) {
  const Credentials& own = security.own;
  const std::string expected = key_digest(ping.salt, ping.hostname, hello.nonce, own.shared_key);
  if (!same_secret(expected, ping.key_digest)) return {.reason = "shared_key mismatch"};
  bool known = security.users.empty();
  for (const User& user : security.users) {  // all: the time tells nobody which names there are
    const bool good = same_secret(password_digest(hello.auth, user), ping.password_digest);
    known |= good && same_secret(user.name, ping.username);
  }
  if (!known) return {.reason = "username/password mismatch"};
  return {.accepted = true,
          .hostname = own.self_hostname,
          .key_digest = key_digest(ping.salt, own.self_hostname, hello.nonce, own.shared_key)};
}

Ping answer_hello(const Hello& hello, const Credentials& own, const User& user) {
  Ping ping{.hostname = own.self_hostname, .salt = to_hex(random_bytes(kNonceBytes))};
  ping.key_digest = key_digest(ping.salt, own.self_hostname, hello.nonce, own.shared_key);
  if (!hello.auth.empty()) {
    ping.username = user.name;
    ping.password_digest = password_digest(hello.auth, user);
  }
  return ping;
}

Status check_pong(const Pong& pong, const Ping& ping, const Hello& hello, const Credentials& own) {
  if (!pong.accepted)
    return fail(ErrorCode::Denied, fmt::format("the server refuses us: {}", pong.reason));
  const std::string expected = key_digest(ping.salt, pong.hostname, hello.nonce, own.shared_key);
  if (same_secret(expected, pong.key_digest)) return {};
  return fail(ErrorCode::Denied, "the server cannot prove that it knows the shared_key");
}

}  // namespace noroshi::forward
