#include "input/syslog/syslog.h"

#include <fmt/format.h>

#include "base/check.h"
#include "config/diagnostics.h"
#include "input/message_input.h"
#include "input/socket_options.h"
#include "input/syslog/syslog_framer.h"
#include "input/text_options.h"
#include "net/tls.h"
#include "parser/parser_registry.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"

namespace noroshi {
namespace {

using syslog::Framing;

constexpr uint32_t kUnixPermissions = 0644;

struct SectionOptions {
  SocketKind mode = SocketKind::UnixDatagram;
  std::string listen, tag, path, raw_message_key, source_address_key;
  int64_t port = 0, backlog = 0, connections_max = 0;
  LocatedText unix_perm, parser;
  std::optional<Framing> format;
  ByteSize buffer_chunk_size, buffer_max_size, receive_buffer_size;
};

const OptionTable<SectionOptions>& syslog_option_table() {
  using S = SectionOptions;
  static const auto table = [] {
    OptionTable<S> t("syslog", "Syslog messages over TCP, UDP and Unix sockets.");
    t.choice("mode", &S::mode, "unix_udp",
             {{"unix_tcp", SocketKind::UnixStream},
              {"unix_udp", SocketKind::UnixDatagram},
              {"tcp", SocketKind::Tcp},
              {"udp", SocketKind::Udp}},
             "What to listen on: a Unix stream or datagram socket, TCP or UDP.")
        .last_wins()
        .option("listen", &S::listen, "0.0.0.0", "Address to listen on (tcp, udp).")
        .last_wins()
        .option("port", &S::port, "5140", "Its port. 0: any free one.")
        .between("0", "65535")
        .last_wins()
        .option("path", &S::path, "Path of the Unix socket (unix_tcp, unix_udp): required there.")
        .last_wins()
        .option("unix_perm", &S::unix_perm, "Its permissions, octal. Default: 0644.")
        .last_wins()
        .option("tag", &S::tag, "Tag of the records. Default: the instance's name, \"syslog.0\".")
        .last_wins()
        .option("parser", &S::parser,
                "Parser for the messages. Default: syslog-rfc5424 (tcp, udp) or "
                "syslog-rfc3164-local (Unix), then the other stock ones.")
        .last_wins()
        .choice("format", &S::format, "",
                {{"newline", Framing::Newline},
                 {"octet_counting", Framing::OctetCounted},
                 {"octet", Framing::OctetCounted}},
                "Framing of streams. Default: each message shows which one it has.")
        .last_wins()
        .option("buffer_max_size", &S::buffer_max_size, "1MiB", "Longest message of a stream.")
        .between("1KiB", "3MiB")
        .last_wins()
        .option("buffer_chunk_size", &S::buffer_chunk_size, "32KiB",
                "Checked, without effect: buffers grow as they are needed.")
        .last_wins()
        .option("receive_buffer_size", &S::receive_buffer_size, "4MiB",
                "Receive buffer of datagram sockets; the kernel gives net.core.rmem_max at most.")
        .between("0", "1GiB")
        .last_wins()
        .option("raw_message_key", &S::raw_message_key, "Key for the message as it came, binary.")
        .last_wins()
        .option("source_address_key", &S::source_address_key,
                "Key for the sender's address, \"udp://127.0.0.1:40000\".")
        .last_wins();
    add_connection_options(t, &S::backlog, &S::connections_max);
    t.ignored("net.*", "accepted; connections are never closed for being idle");
    return t;
  }();
  return table;
}

std::vector<OptionInfo> syslog_options() {
  return with_tls_server_options(syslog_option_table().options());
}

// What the first parser that takes the message makes of it; else {"log": message}.
class SyslogReader final : public MessageReader {
 public:
  SyslogReader(std::vector<std::unique_ptr<Parser>> parsers, std::string raw_key,
               std::string source_key, const Clock& clock)
      : parsers_(std::move(parsers)),
        raw_key_(std::move(raw_key)),
        source_key_(std::move(source_key)),
        clock_(clock) {}

  bool append(std::string_view message, std::string_view source, Chunk& chunk) override {
    const size_t begin = chunk.body.size();
    std::optional<Timestamp> time;
    std::optional<uint32_t> pairs;
    for (const auto& parser : parsers_) {
      pairs = parser->append_map(message, chunk.body, time);
      if (pairs) break;
    }
    MsgpackWriter writer(chunk.body);
    problem_ = {};
    if (!pairs) {
      writer.map_header(1);
      writer.string("log"), writer.string(message);
      pairs = 1;
      problem_ = "a message is not of the parser's form; it is kept as {\"log\": message}";
    }
    if (!raw_key_.empty()) {
      set_map_pairs(chunk.body, begin, ++*pairs);
      writer.string(raw_key_), writer.binary(message);
    }
    finish_record(chunk, begin, *pairs, source_key_, source, time.value_or(clock_.wall()));
    return true;
  }
  std::string_view problem() const override { return problem_; }

 private:
  const std::vector<std::unique_ptr<Parser>> parsers_;
  const std::string raw_key_, source_key_;
  const Clock& clock_;
  std::string_view problem_;
};

std::vector<std::unique_ptr<Parser>> parsers_for(const SectionOptions& given, bool is_unix,
                                                 const ParserRegistry& registry,
                                                 Diagnostics& diagnostics) {
  std::vector<std::unique_ptr<Parser>> parsers;
  if (!given.parser.text.empty()) {
    if (auto parser = find_parser(given.parser, "syslog", registry, diagnostics))
      parsers.push_back(std::move(parser));
    return parsers;
  }
  const auto add = [&](std::string_view name) {
    auto parser = registry.make(name);
    CHECK(parser.has_value(), "a stock parser is missing");
    parsers.push_back(*std::move(parser));
  };
  if (is_unix) add("syslog-rfc3164-local");
  add("syslog-rfc5424");
  if (!is_unix) add("syslog-rfc3164");
  return parsers;
}

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const SectionOptions given = syslog_option_table().parse(section, diagnostics);
  MessageInputOptions options;
  options.socket = given.mode;
  options.name = context.instance_name;
  options.tag = given.tag.empty() ? context.instance_name : given.tag;
  options.listen = given.listen;
  options.port = static_cast<uint16_t>(given.port);
  options.backlog = static_cast<int>(given.backlog);
  options.connections_max = static_cast<size_t>(given.connections_max);
  options.receive_buffer = given.receive_buffer_size.bytes;
  if (options.is_stream()) {
    options.make_framer = [framing = given.format.value_or(Framing::Either),
                           bytes_max = given.buffer_max_size.bytes] {
      return std::make_unique<syslog::SyslogFramer>(framing, bytes_max);
    };
  } else {
    options.make_framer = [] { return std::make_unique<syslog::DatagramFramer>(); };
  }
  options.unix_socket.path = given.path;
  options.unix_socket.permissions =
      read_file_mode(given.unix_perm, "syslog", diagnostics).value_or(kUnixPermissions);
  if (options.is_unix() && options.unix_socket.path.empty()) {
    diagnostics.error(section.where_of("mode"), "syslog: a Unix socket needs a path")
        .help("add \"path /var/run/noroshi/syslog.sock\", or choose mode tcp or udp");
  }
  check_unix_path(options.unix_socket.path, "path", section, "syslog", diagnostics);
  if (given.format && !options.is_stream()) {
    diagnostics.warning(section.where_of("format"),
                        "syslog: format has no effect on datagrams: each is one message");
  }
  options.tls = make_tls_server(section, diagnostics);
  if (options.tls && options.socket != SocketKind::Tcp) {
    diagnostics.error(section.where_of("tls"), "syslog: tls needs mode tcp");
  }
  auto parsers = parsers_for(given, options.is_unix(), context.parsers, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;

  MadeInput made;
  std::string where = "unix:" + options.unix_socket.path;
  if (!options.is_unix()) {
    where = fmt::format("{} {}:{}", options.socket == SocketKind::Tcp ? "TCP" : "UDP",
                        options.listen, options.port);
  }
  made.description = fmt::format("syslog on {}, tagged {}", where, options.tag);
  auto reader = std::make_unique<SyslogReader>(std::move(parsers), given.raw_message_key,
                                               given.source_address_key, context.clock);
  made.input = make_message_input("syslog", std::move(options), std::move(reader),
                                  context.listeners, context.clock);
  return made;
}

}  // namespace

const InputPlugin kSyslogInput = {
    .name = "syslog",
    .aliases = {},
    .summary = "Syslog messages over TCP, UDP and Unix sockets",
    .options = syslog_options,
    .make = make,
};

}  // namespace noroshi
