#include "input/tcp/tcp.h"

#include <fmt/format.h>

#include "config/diagnostics.h"
#include "input/message_input.h"
#include "input/socket_options.h"
#include "input/text_options.h"
#include "net/tls.h"

namespace noroshi {
namespace {

const OptionTable<TextSocketOptions>& tcp_option_table() {
  using S = TextSocketOptions;
  static const auto table = [] {
    OptionTable<S> t = text_socket_table("tcp", "JSON documents or lines over TCP.");
    t.option("buffer_size", &S::buffer_size,
             "Longest document or text, 1KiB to 3MiB; a bare number counts KiB. Default: 1MiB.")
        .last_wins()
        .option("chunk_size", &S::chunk_size,
                "Checked, without effect: buffers grow as they are needed.")
        .last_wins();
    add_connection_options(t, &S::backlog, &S::connections_max);
    t.ignored("net.*", "accepted; connections are never closed for being idle");
    return t;
  }();
  return table;
}

std::vector<OptionInfo> tcp_options() {
  return with_tls_server_options(tcp_option_table().options());
}

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const TextSocketOptions given = tcp_option_table().parse(section, diagnostics);
  MessageFormat format = read_message_format(given, "tcp", context, diagnostics);
  MessageInputOptions options;
  options.socket = SocketKind::Tcp;
  options.name = context.instance_name;
  options.tag = given.tag.empty() ? context.instance_name : given.tag;
  options.listen = given.listen;
  options.port = static_cast<uint16_t>(given.port);
  options.make_framer = framer_maker(format);
  options.backlog = static_cast<int>(given.backlog);
  options.connections_max = static_cast<size_t>(given.connections_max);
  options.tls = make_tls_server(section, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeInput made;
  made.description = fmt::format("{} over TCP on {}:{}, tagged {}", format.json ? "JSON" : "text",
                                 options.listen, options.port, options.tag);
  made.input =
      make_message_input("tcp", std::move(options), make_message_reader(format, context.clock),
                         context.listeners, context.clock);
  return made;
}

}  // namespace

const InputPlugin kTcpInput = {
    .name = "tcp",
    .aliases = {},
    .summary = "JSON documents or lines over TCP",
    .options = tcp_options,
    .make = make,
};

}  // namespace noroshi
