// The options that the inputs for streams and datagrams of text share: tcp, udp, syslog.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "config/option_table.h"
#include "input/message.h"
#include "input/plugin.h"
#include "parser/parser.h"

namespace noroshi {

// Fluent Bit's sizes of tcp and udp: a bare number counts KiB ("32" = 32,768 bytes); with a unit,
// bytes.
inline constexpr size_t kMessageBytesSmallest = 1 << 10;
// MessagePack of 3 MiB of JSON always fits a chunk's body.
inline constexpr size_t kMessageBytesLargest = 3 << 20;
inline constexpr size_t kMessageBytesDefault = 1 << 20;

// What tcp and udp do with text.
struct MessageFormat {
  bool json = true;
  std::string separator = "\n";
  std::unique_ptr<Parser> parser = {};
  size_t message_bytes_max = kMessageBytesDefault;
  std::string source_address_key = {};
};

// The sections of tcp and udp.
struct TextSocketOptions {
  std::string listen = {}, tag = {};
  int64_t port = 0;
  LocatedText format = {}, separator = {}, parser = {}, chunk_size = {}, buffer_size = {};
  std::string source_address_key = {};
  int64_t backlog = 0, connections_max = 0;  // tcp
};
// What both understand; `protocol` is "tcp" or "udp".
[[nodiscard]] OptionTable<TextSocketOptions> text_socket_table(const std::string& protocol,
                                                               std::string summary);

// Every problem goes to `diagnostics`; `plugin` is for the messages.
[[nodiscard]] MessageFormat read_message_format(const TextSocketOptions& given,
                                                std::string_view plugin, InputContext& context,
                                                Diagnostics& diagnostics);

[[nodiscard]] std::unique_ptr<MessageReader> make_message_reader(MessageFormat& format,
                                                                 const Clock& clock);
[[nodiscard]] std::function<std::unique_ptr<Framer>()> framer_maker(const MessageFormat& format);

// The parser of that name for an input; null with an error and a suggestion if there is none.
[[nodiscard]] std::unique_ptr<Parser> find_parser(const LocatedText& name, std::string_view plugin,
                                                  const ParserRegistry& parsers,
                                                  Diagnostics& diagnostics);

}  // namespace noroshi
