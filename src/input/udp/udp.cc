#include "input/udp/udp.h"

#include <fmt/format.h>

#include "config/diagnostics.h"
#include "input/message_input.h"
#include "input/text_options.h"

namespace noroshi {
namespace {

// What we ask the kernel to hold while we are busy; it gives net.core.rmem_max at most.
constexpr ByteSize kReceiveBuffer{4 << 20};

const OptionTable<TextSocketOptions>& udp_option_table() {
  using S = TextSocketOptions;
  static const auto table = [] {
    OptionTable<S> t = text_socket_table("udp", "JSON documents or lines in UDP datagrams.");
    t.option("buffer_size", &S::buffer_size,
             "Checked, without effect: a datagram is always taken whole.")
        .last_wins()
        .option("chunk_size", &S::chunk_size, "Likewise.")
        .last_wins();
    t.ignored("net.*", "accepted");
    return t;
  }();
  return table;
}

std::vector<OptionInfo> udp_options() { return udp_option_table().options(); }

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const TextSocketOptions given = udp_option_table().parse(section, diagnostics);
  MessageFormat format = read_message_format(given, "udp", context, diagnostics);
  format.message_bytes_max = kMessageBytesDefault;  // more than a datagram has
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MessageInputOptions options;
  options.socket = SocketKind::Udp;
  options.name = context.instance_name;
  options.tag = given.tag.empty() ? context.instance_name : given.tag;
  options.listen = given.listen;
  options.port = static_cast<uint16_t>(given.port);
  options.make_framer = framer_maker(format);
  options.receive_buffer = kReceiveBuffer.bytes;
  MadeInput made;
  made.description =
      fmt::format("{} in UDP datagrams on {}:{}, tagged {}", format.json ? "JSON" : "text",
                  options.listen, options.port, options.tag);
  made.input =
      make_message_input("udp", std::move(options), make_message_reader(format, context.clock),
                         context.listeners, context.clock);
  return made;
}

}  // namespace

const InputPlugin kUdpInput = {
    .name = "udp",
    .aliases = {},
    .summary = "JSON documents or lines in UDP datagrams",
    .options = udp_options,
    .make = make,
};

}  // namespace noroshi
