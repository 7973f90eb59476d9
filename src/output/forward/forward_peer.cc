#include "output/forward/forward_peer.h"

#include <fmt/format.h>

#include <array>

#include "record/msgpack_reader.h"

namespace noroshi {
namespace {

// Reads until `decode` finds its message in what came.
template <typename Decode>
auto receive(StreamClient& client, Monotonic deadline, Decode decode, std::string_view what)
    -> Result<typename decltype(decode(std::string_view()))::value_type::value_type> {
  std::string received;
  std::array<char, 2048> buffer;
  for (;;) {
    NOROSHI_ASSIGN(const size_t count, client.read(buffer, deadline));
    if (count == 0) {
      return fail(ErrorCode::Unavailable,
                  fmt::format("{} closed the connection instead of {}", client.peer(), what));
    }
    received.append(buffer.data(), count);
    auto decoded = decode(received);
    if (!decoded) return std::unexpected(std::move(decoded.error()).with_context(client.peer()));
    if (*decoded) return **std::move(decoded);
  }
}

}  // namespace

Result<std::optional<std::string_view>> parse_ack(std::string_view bytes) {
  const auto wrong = [] {
    return fail(ErrorCode::Corrupt, "what it answers is no acknowledgement");
  };
  MsgpackReader reader(bytes.substr(0, kAnswerBytesMax));
  const auto incomplete = [&](MsgpackError error) {
    return error == MsgpackError::Truncated && bytes.size() < kAnswerBytesMax;
  };
  const auto pairs = reader.read_map();
  if (!pairs) {
    if (incomplete(pairs.error())) return std::nullopt;
    return wrong();
  }
  for (uint32_t i = 0; i < *pairs; ++i) {
    const auto key = reader.read_binary();
    if (key && *key == "ack") {
      if (const auto id = reader.read_binary()) return *id;
    }
    const auto skipped = reader.skip();
    if (key && skipped) continue;
    if (incomplete(key ? skipped.error() : key.error())) return std::nullopt;
    return wrong();
  }
  return wrong();
}

ForwardPeer::ForwardPeer(ForwardPeerOptions options, const Clock& clock)
    : options_(std::move(options)),
      connection_(options_.address, options_.tls, options_.connection, clock) {}

Status ForwardPeer::connect(Monotonic deadline) {
  NOROSHI_ASSIGN(const KeptConnection::Opened opened, connection_.open(deadline));
  client_ = opened.client;
  fresh_ = opened.fresh;
  close_after_use_ = false;
  if (!fresh_ || !options_.credentials) return {};
  auto greeted = shake_hands(connection_.io_deadline(deadline));
  if (!greeted) connection_.close();
  return greeted;
}

Status ForwardPeer::shake_hands(Monotonic deadline) {
  const forward::Credentials& own = *options_.credentials;
  const auto answered = receive(*client_, deadline, forward::decode_hello, "HELO");
  if (!answered) {
    Error error = answered.error();
    if (error.code == ErrorCode::Timeout)
      error.message += " (HELO: has the server a shared_key, too?)";
    return std::unexpected(std::move(error));
  }
  const forward::Hello& hello = answered->message;
  const forward::Ping ping = forward::answer_hello(hello, own, options_.user);
  NOROSHI_TRY(client_->write(forward::encode(ping), deadline));
  auto pong = receive(*client_, deadline, forward::decode_pong, "PONG");
  // Fluent Bit closes without a word when the key is wrong.
  if (!pong) {
    Error error = std::move(pong.error());
    if (error.code == ErrorCode::Unavailable) {
      error.code = ErrorCode::Denied;
      error.message += " (is the shared_key the same?)";
    }
    return std::unexpected(std::move(error));
  }
  auto checked = forward::check_pong(pong->message, ping, hello, own);
  if (!checked) return std::unexpected(std::move(checked.error()).with_context(client_->peer()));
  close_after_use_ = !hello.keepalive;
  return {};
}

Status ForwardPeer::wait_for_ack(std::string_view chunk_id, Monotonic deadline) {
  std::string received;
  const auto decode = [&](std::string_view bytes) -> Result<std::optional<std::string>> {
    NOROSHI_ASSIGN(const auto ack, parse_ack(bytes));
    if (!ack) return std::nullopt;
    return std::string(*ack);
  };
  auto ack = receive(*client_, deadline, decode, "the acknowledgement");
  if (!ack) {
    Error error = std::move(ack.error());
    if (error.code == ErrorCode::Timeout) error.message += " (Require_ack_response is on)";
    return std::unexpected(std::move(error));
  }
  if (*ack == chunk_id) return {};
  return fail(ErrorCode::Corrupt,
              fmt::format("{} acknowledges another chunk than the one it got", client_->peer()));
}

Status ForwardPeer::send(std::span<const std::string_view> frame, std::string_view chunk_id,
                         Monotonic deadline) {
  Status sent = client_->write(frame, connection_.io_deadline(deadline));
  if (sent && !chunk_id.empty()) sent = wait_for_ack(chunk_id, connection_.io_deadline(deadline));
  if (!sent || close_after_use_) {
    connection_.close();
  } else {
    connection_.used();
  }
  return sent;
}

}  // namespace noroshi
