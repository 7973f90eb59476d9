#include "input/tcp/tcp.h"

#include "config/diagnostics.h"
#include "input/socket_options.h"
#include "input/stream_server.h"
#include "net/listener_registry.h"
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

class TcpInput final : public Input {
 public:
  TcpInput(TcpOptions options, std::string name, const ListenerRegistry* listeners, size_t claim,
           const Clock& clock)
      : options_(std::move(options)),
        name_(std::move(name)),
        registry_(listeners),
        claim_(claim),
        clock_(clock),
        reader_(make_message_reader(options_.format, clock)) {}

  Status bind(boost::asio::io_context& loop) override {
    loop_ = &loop;
    if (registry_ != nullptr && !registry_->listens(claim_)) return {};
    NOROSHI_ASSIGN(listener_, StreamListener::listen_tcp(loop, options_.listen, options_.port,
                                                         options_.backlog));
    if (options_.tls) listener_->use_tls(options_.tls);
    address_ = listener_->address();
    return {};
  }

  void start(ChunkSink& sink, InputMetrics& metrics) override {
    if (!listener_) return;
    StreamServerOptions options;
    options.name = name_;
    options.tag = options_.tag;
    options.make_framer = framer_maker(options_.format);
    options.connections_max = options_.connections_max;
    options.clock = &clock_;
    server_ = std::make_unique<StreamServer>(*loop_, std::move(options), *reader_, sink, metrics);
    server_->serve(std::move(listener_));
    log_info("input:" + name_, "listening on {}", address_);
  }

  bool busy() const override { return server_ && server_->busy(); }
  void close() override {
    listener_.reset();
    if (server_) server_->close();
  }
  std::string listening_on() const override { return address_; }

 private:
  TcpOptions options_;
  const std::string name_;
  const ListenerRegistry* const registry_;
  const size_t claim_;
  const Clock& clock_;
  const std::unique_ptr<MessageReader> reader_;
  boost::asio::io_context* loop_ = nullptr;
  std::unique_ptr<StreamListener> listener_;
  std::string address_;
  std::unique_ptr<StreamServer> server_;
};

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const TextSocketOptions given = tcp_option_table().parse(section, diagnostics);
  TcpOptions options;
  options.listen = given.listen;
  options.port = static_cast<uint16_t>(given.port);
  options.tag = given.tag.empty() ? context.instance_name : given.tag;
  options.format = read_message_format(given, "tcp", context, diagnostics);
  options.backlog = static_cast<int>(given.backlog);
  options.connections_max = static_cast<size_t>(given.connections_max);
  options.tls = make_tls_server(section, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeInput made;
  made.description =
      fmt::format("{} over TCP on {}:{}, tagged {}", options.format.json ? "JSON" : "text",
                  options.listen, options.port, options.tag);
  const size_t claim = context.listeners.claim({.kind = "tcp",
                                                .owner = context.instance_name,
                                                .host = options.listen,
                                                .port = options.port});
  made.input =
      make_tcp(std::move(options), context.instance_name, &context.listeners, claim, context.clock);
  return made;
}

}  // namespace

std::unique_ptr<Input> make_tcp(TcpOptions options, std::string instance_name,
                                const ListenerRegistry* listeners, size_t claim,
                                const Clock& clock) {
  return std::make_unique<TcpInput>(std::move(options), std::move(instance_name), listeners, claim,
                                    clock);
}

const InputPlugin kTcpInput = {
    .name = "tcp",
    .aliases = {},
    .summary = "JSON documents or lines over TCP",
    .options = tcp_options,
    .make = make,
};

}  // namespace noroshi
