// MessageInput: an input that takes messages on one socket, whichever it is (tcp, udp, syslog): a
// StreamServer or a DatagramServer, and what an Input does around them. What a message is and what
// record becomes of it is the plugin's: its framers and its reader.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "input/input.h"
#include "input/message.h"
#include "net/stream_listener.h"

namespace noroshi {

class ListenerRegistry;  // net/listener_registry.h
class TlsContext;        // net/tls.h

enum class SocketKind : uint8_t { Tcp, Udp, UnixStream, UnixDatagram };

struct MessageInputOptions {
  SocketKind socket = SocketKind::Tcp;
  std::string name = {};  // of the instance, for the log
  std::string tag = {};
  std::string listen = {};  // Tcp, Udp
  uint16_t port = 0;
  UnixListenOptions unix_socket = {};  // UnixStream, UnixDatagram
  // For each connection one; for datagrams one that gets them one by one.
  std::function<std::unique_ptr<Framer>()> make_framer = {};
  int backlog = kListenBacklogMin;  // Tcp, UnixStream
  size_t connections_max = 4096;
  std::shared_ptr<TlsContext> tls = {};  // Tcp; null: none
  size_t receive_buffer = 0;             // Udp, UnixDatagram; 0: the kernel's default

  [[nodiscard]] bool is_unix() const {
    return socket == SocketKind::UnixStream || socket == SocketKind::UnixDatagram;
  }
  [[nodiscard]] bool is_stream() const {
    return socket == SocketKind::UnixStream || socket == SocketKind::Tcp;
  }
};

// Claims a TCP address for `plugin`: inputs of one plugin on one address share its socket.
[[nodiscard]] std::unique_ptr<Input> make_message_input(std::string plugin,
                                                        MessageInputOptions options,
                                                        std::unique_ptr<MessageReader> reader,
                                                        ListenerRegistry& listeners,
                                                        const Clock& clock);

}  // namespace noroshi
