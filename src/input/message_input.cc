#include "input/message_input.h"

#include "input/datagram_server.h"
#include "input/stream_server.h"
#include "net/datagram_socket.h"
#include "net/listener_registry.h"

namespace noroshi {
namespace {

class MessageInput final : public Input {
 public:
  MessageInput(MessageInputOptions options, std::unique_ptr<MessageReader> reader,
               const ListenerRegistry& listeners, std::optional<size_t> claim, const Clock& clock)
      : options_(std::move(options)),
        reader_(std::move(reader)),
        registry_(listeners),
        claim_(claim),
        clock_(clock) {}

  Status bind(boost::asio::io_context& loop) override {
    loop_ = &loop;
    if (claim_ && !registry_.listens(*claim_)) return {};
    switch (options_.socket) {
      case SocketKind::Tcp: {
        NOROSHI_ASSIGN(listener_, StreamListener::listen_tcp(loop, options_.listen, options_.port,
                                                             options_.backlog));
        if (options_.tls) listener_->use_tls(options_.tls);
        break;
      }
      case SocketKind::Udp: {
        NOROSHI_ASSIGN(socket_, DatagramSocket::bind_udp(loop, options_.listen, options_.port,
                                                         options_.receive_buffer));
        break;
      }
      case SocketKind::UnixStream: {
        NOROSHI_ASSIGN(listener_,
                       StreamListener::listen_unix(loop, options_.unix_socket, options_.backlog));
        break;
      }
      case SocketKind::UnixDatagram: {
        NOROSHI_ASSIGN(socket_, DatagramSocket::bind_unix(loop, options_.unix_socket,
                                                          options_.receive_buffer));
        break;
      }
    }
    address_ = listener_ ? listener_->address() : socket_->address();
    return {};
  }

  void start(ChunkSink& sink, InputMetrics& metrics) override {
    if (address_.empty()) return;
    log_info("input:" + options_.name, "listening on {}{}",
             options_.socket == SocketKind::Udp ? "UDP " : "", address_);
    if (socket_) {
      datagrams_ =
          std::make_unique<DatagramServer>(*loop_, std::move(socket_), options_.name, options_.tag,
                                           options_.make_framer(), *reader_, sink, metrics);
      return;
    }
    StreamServerOptions options;
    options.name = options_.name;
    options.tag = options_.tag;
    options.make_framer = options_.make_framer;
    options.connections_max = options_.connections_max;
    options.clock = &clock_;
    streams_ = std::make_unique<StreamServer>(*loop_, std::move(options), *reader_, sink, metrics);
    streams_->serve(std::move(listener_));
  }

  bool busy() const override {
    return (streams_ && streams_->busy()) || (datagrams_ && datagrams_->busy());
  }
  void close() override {
    listener_.reset();
    socket_.reset();
    if (streams_) streams_->close();
    if (datagrams_) datagrams_->close();
  }
  std::string listening_on() const override { return address_; }

 private:
  const MessageInputOptions options_;
  const std::unique_ptr<MessageReader> reader_;
  const ListenerRegistry& registry_;
  const std::optional<size_t> claim_;
  const Clock& clock_;
  boost::asio::io_context* loop_ = nullptr;
  std::unique_ptr<StreamListener> listener_;
  std::unique_ptr<DatagramSocket> socket_;
  std::string address_;  // empty: another input listens for us
  std::unique_ptr<StreamServer> streams_;
  std::unique_ptr<DatagramServer> datagrams_;
};

}  // namespace

std::unique_ptr<Input> make_message_input(std::string plugin, MessageInputOptions options,
                                          std::unique_ptr<MessageReader> reader,
                                          ListenerRegistry& listeners, const Clock& clock) {
  std::optional<size_t> claim;
  if (options.socket == SocketKind::Tcp) {
    claim = listeners.claim({.kind = std::move(plugin),
                             .owner = options.name,
                             .host = options.listen,
                             .port = options.port});
  }
  return std::make_unique<MessageInput>(std::move(options), std::move(reader), listeners, claim,
                                        clock);
}

}  // namespace noroshi
