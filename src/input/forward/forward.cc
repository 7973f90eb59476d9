#include "input/forward/forward.h"

#include "config/diagnostics.h"
#include "input/forward/server.h"
#include "input/socket_options.h"
#include "net/listener_registry.h"

namespace noroshi {
namespace {

// What the section says; some of it needs another look before it is ForwardOptions.
struct SectionOptions {
  ForwardOptions forward = {};
  std::string listen, unix_path, tag, tag_prefix;
  std::optional<int64_t> port;
  LocatedText unix_perm;
  ByteSize buffer_chunk_size, buffer_max_size, decompressed_max_size;
  int64_t backlog = 0, connections_max = 0;
  Nanoseconds accept_timeout;
  LocatedText shared_key;
  std::string self_hostname;
  std::vector<LocatedText> users;
  bool empty_shared_key = false;
};

const OptionTable<SectionOptions>& forward_option_table() {
  using S = SectionOptions;
  static const auto table = [] {
    OptionTable<S> t(
        "forward",
        "Records from Fluentd, Fluent Bit, Docker and other clients of the Forward protocol.");
    t.option("listen", &S::listen,
             "Address to listen on. Default: 0.0.0.0, or only the Unix socket if there is one.")
        .last_wins()
        .option("port", &S::port, "TCP port, by default 24224. 0: any free one.")
        .between("0", "65535")
        .last_wins()
        .option("unix_path", &S::unix_path,
                "Unix socket to listen on; with listen or port, on both.")
        .last_wins()
        .option("unix_perm", &S::unix_perm, "Permissions of the Unix socket, octal (\"0660\").")
        .last_wins()
        .option("tag", &S::tag, "Tag of all records, instead of what the clients say.")
        .last_wins()
        .option("tag_prefix", &S::tag_prefix,
                "Put before the clients' tags; then `tag` has no effect.")
        .last_wins()
        .option("buffer_chunk_size", &S::buffer_chunk_size, "256KiB", "Bytes of one read.")
        .between("16KiB", "64MiB")
        .last_wins()
        .option("buffer_max_size", &S::buffer_max_size, "12MiB",
                "Largest frame, as it arrives (compressed).")
        .between("32KiB", "512MiB")
        .last_wins()
        .option("decompressed_max_size", &S::decompressed_max_size, "256MiB",
                "Largest frame after decompression. noroshi's own.")
        .between("1MiB", "4GiB")
        .last_wins();
    add_connection_options(t, &S::backlog, &S::connections_max);
    t.option("net.accept_timeout", &S::accept_timeout, "10s",
             "Longest time for the handshakes, of TLS and of the protocol.")
        .between("100ms", "10m")
        .last_wins()
        .option("shared_key", &S::shared_key,
                "Clients must prove that they know it, and are shown that we do.")
        .last_wins()
        .option("self_hostname", &S::self_hostname, "localhost",
                "What we call ourselves in that handshake.")
        .last_wins()
        .option("security.users", &S::users,
                "`NAME PASSWORD` of one user; then clients must be one of them, too. Needs "
                "shared_key.")
        .option("empty_shared_key", &S::empty_shared_key, "false",
                "A handshake with an empty shared_key, for the sake of security.users.")
        .last_wins();
    t.ignored("net.*", "accepted; connections are never closed for being idle");
    return t;
  }();
  return table;
}

std::vector<OptionInfo> forward_options() {
  return with_tls_server_options(forward_option_table().options());
}

// The address both for binding and for comparing with other inputs' addresses.
std::string host_of(const ForwardOptions& options) {
  return options.listen.empty() ? "0.0.0.0" : options.listen;
}
uint16_t port_of(const ForwardOptions& options) {
  return static_cast<uint16_t>(options.port.value_or(kForwardPort));
}

class ForwardInput final : public Input {
 public:
  ForwardInput(ForwardOptions options, std::string name, const ListenerRegistry* listeners,
               size_t claim, const Clock& clock)
      : options_(std::move(options)),
        name_(std::move(name)),
        registry_(listeners),
        claim_(claim),
        clock_(clock) {}

  Status bind(boost::asio::io_context& loop) override {
    loop_ = &loop;
    const int backlog = static_cast<int>(options_.backlog);
    if (!options_.unix_path.empty()) {
      NOROSHI_ASSIGN(auto listener,
                     StreamListener::listen_unix(
                         loop, {options_.unix_path, options_.unix_permissions}, backlog));
      addresses_ = listener->address();
      listeners_.push_back(std::move(listener));
    }
    if (options_.listens_on_tcp() && (registry_ == nullptr || registry_->listens(claim_))) {
      NOROSHI_ASSIGN(auto listener, StreamListener::listen_tcp(loop, host_of(options_),
                                                               port_of(options_), backlog));
      listener->use_tls(options_.tls, options_.accept_timeout);
      addresses_ = listener->address() + (addresses_.empty() ? "" : ", " + addresses_);
      listeners_.push_back(std::move(listener));
    }
    return {};
  }

  void start(ChunkSink& sink, InputMetrics& metrics) override {
    forward::ServerOptions options;
    options.name = name_;
    options.tag = options_.tag;
    options.tag_prefix = options_.tag_prefix;
    options.read_bytes = options_.buffer_chunk_size.bytes;
    options.frame_bytes_max = options_.buffer_max_size.bytes;
    options.inflated_bytes_max = options_.decompressed_max_size.bytes;
    options.connections_max = static_cast<size_t>(options_.connections_max);
    options.handshake_wait_max = options_.accept_timeout;
    options.security = options_.security;
    options.clock = &clock_;
    server_ = std::make_unique<forward::Server>(*loop_, std::move(options), sink, metrics);
    for (auto& listener : listeners_) server_->serve(std::move(listener));
    listeners_.clear();
    if (!addresses_.empty()) log_info("input:" + name_, "listening on {}", addresses_);
  }

  bool busy() const override { return server_ && server_->busy(); }
  void close() override {
    listeners_.clear();
    if (server_) server_->close();
  }
  std::string listening_on() const override { return addresses_; }

 private:
  const ForwardOptions options_;
  const std::string name_;
  const ListenerRegistry* const registry_;
  const size_t claim_;
  const Clock& clock_;
  boost::asio::io_context* loop_ = nullptr;
  std::vector<std::unique_ptr<StreamListener>> listeners_;
  std::string addresses_;
  std::unique_ptr<forward::Server> server_;
};

std::optional<forward::Security> security_of(const SectionOptions& given, const Section& section,
                                             Diagnostics& diagnostics) {
  // A key that a variable should have held: to listen without it would let everybody in.
  if (section.find("shared_key") != nullptr && given.shared_key.text.empty()) {
    diagnostics.error(section.where_of("shared_key"), "forward: shared_key is empty")
        .help("is its variable set? For a handshake without a key write \"empty_shared_key true\"");
  }
  if (!given.shared_key.text.empty() && given.empty_shared_key) {
    diagnostics
        .error(section.where_of("empty_shared_key"),
               "forward: shared_key and empty_shared_key contradict each other")
        .help("remove one of them");
  }
  forward::Security security{.own = {given.shared_key.text, given.self_hostname}};
  for (const LocatedText& user : given.users) {
    const std::string_view text = trim(user.text);
    const size_t blank = text.find(' ');
    if (blank == std::string_view::npos) {
      diagnostics.error(user.where, "forward: security.users takes a name and a password")
          .help("for example security.users alice ${ALICE_PASSWORD}");
      continue;
    }
    security.users.push_back(
        {std::string(text.substr(0, blank)), std::string(trim(text.substr(blank)))});
  }
  const bool handshake = !given.shared_key.text.empty() || given.empty_shared_key;
  if (!handshake && !given.users.empty()) {
    diagnostics.error(given.users.front().where, "forward: security.users needs shared_key as well")
        .help("set shared_key, or empty_shared_key true");
  }
  if (!handshake) return std::nullopt;
  return security;
}

// Claims of one kind share a listener: what a client must do first is part of it.
std::string kind_of(const ForwardOptions& options) {
  return fmt::format("forward{}{}", options.tls ? " over TLS" : "",
                     options.security ? " with shared_key" : "");
}

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  SectionOptions given = forward_option_table().parse(section, diagnostics);
  ForwardOptions options;
  options.listen = given.listen;
  options.port = given.port;
  options.unix_path = given.unix_path;
  options.tag = given.tag;
  options.tag_prefix = given.tag_prefix;
  options.buffer_chunk_size = given.buffer_chunk_size;
  options.buffer_max_size = given.buffer_max_size;
  options.decompressed_max_size = given.decompressed_max_size;
  options.backlog = given.backlog;
  options.connections_max = given.connections_max;
  options.accept_timeout = given.accept_timeout;
  options.security = security_of(given, section, diagnostics);
  options.tls = make_tls_server(section, diagnostics);
  if (options.tls && !options.listens_on_tcp()) {
    diagnostics.warning(section.where_of("tls"), "forward: a Unix socket is read without TLS")
        .help("remove tls, or set listen or port for a TCP listener beside the socket");
  }

  options.unix_permissions = read_file_mode(given.unix_perm, "forward", diagnostics);
  check_unix_path(options.unix_path, "unix_path", section, "forward", diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;

  MadeInput made;
  size_t claim = 0;
  std::string addresses;
  if (options.listens_on_tcp()) {
    claim = context.listeners.claim({.kind = kind_of(options),
                                     .owner = context.instance_name,
                                     .host = host_of(options),
                                     .port = port_of(options)});
    addresses =
        fmt::format("{}:{}{}", host_of(options), port_of(options), options.tls ? " with TLS" : "");
  }
  if (!options.unix_path.empty())
    addresses += (addresses.empty() ? "unix:" : " and unix:") + options.unix_path;
  made.other_tags = options.tag.empty();
  made.description = fmt::format("Forward protocol{} on {}",
                                 options.security ? " with shared_key" : "", addresses);
  made.input = make_forward(std::move(options), context.instance_name, &context.listeners, claim,
                            context.clock);
  return made;
}

}  // namespace

std::unique_ptr<Input> make_forward(ForwardOptions options, std::string instance_name,
                                    const ListenerRegistry* listeners, size_t claim,
                                    const Clock& clock) {
  return std::make_unique<ForwardInput>(std::move(options), std::move(instance_name), listeners,
                                        claim, clock);
}

const InputPlugin kForwardInput = {
    .name = "forward",
    .aliases = {},
    .summary = "Forward protocol: Fluentd, Fluent Bit, Docker's fluentd driver",
    .options = forward_options,
    .make = make,
};

}  // namespace noroshi
