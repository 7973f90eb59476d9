#include "input/http/http.h"

#include <fmt/format.h>

#include "config/diagnostics.h"
#include "config/option_table.h"
#include "input/http/http_body.h"
#include "net/listener_registry.h"
#include "net/tls.h"
#include "record/ascii.h"

namespace noroshi {
namespace {

constexpr std::string_view kRemoteAddressKey = "REMOTE_ADDR";

struct SectionOptions {
  std::string listen, tag, remote_addr_key;
  int64_t port = 0, connections_max = 0;
  std::string successful_response_code;
  LocatedText tag_key;
  std::vector<LocatedText> success_header;
  bool add_remote_addr = false, enable_health_endpoint = false;
  ByteSize buffer_max_size, buffer_chunk_size;
};

const OptionTable<SectionOptions>& http_option_table() {
  using S = SectionOptions;
  static const auto table = [] {
    OptionTable<S> t("http", "Records in HTTP requests; a success acknowledges them.");
    t.option("listen", &S::listen, "0.0.0.0", "Address to listen on.")
        .last_wins()
        .option("port", &S::port, "9880", "TCP port. 0: any free one.")
        .between("0", "65535")
        .last_wins()
        .option("tag", &S::tag,
                "Tag of records sent to the path \"/\". Default: the instance's name, "
                "\"http.0\". Other paths are tags themselves.")
        .last_wins()
        .option("tag_key", &S::tag_key,
                "A field of the records ($a['b']) whose text is their tag instead.")
        .last_wins()
        .option("buffer_max_size", &S::buffer_max_size, "4MiB",
                "Largest body as it arrives; 16 MiB after decompression.")
        .between("1KiB", "8MiB")
        .last_wins()
        .option("buffer_chunk_size", &S::buffer_chunk_size, "512KiB",
                "Checked, without effect: buffers grow as they are needed.")
        .last_wins()
        .choice("successful_response_code", &S::successful_response_code, "201",
                {"200", "201", "204"}, "Status of a success.")
        .last_wins()
        .option("success_header", &S::success_header, "`NAME VALUE`: a header of every success.")
        .option("add_remote_addr", &S::add_remote_addr, "off",
                "Adds the client's address: the first of X-Forwarded-For, else the connection's.")
        .last_wins()
        .option("remote_addr_key", &S::remote_addr_key, std::string(kRemoteAddressKey),
                "Key for it.")
        .last_wins()
        .option("enable_health_endpoint", &S::enable_health_endpoint, "off",
                "GET /health answers 200.")
        .last_wins()
        .option("http_server.max_connections", &S::connections_max, "1024",
                "Open connections; further ones are answered 503.")
        .between("1", "65535")
        .alias("net.max_connections")
        .last_wins();
    t.ignored("net.*", "accepted; an idle connection is closed after 75 s")
        .ignored("http2", "accepted; HTTP/1.1 is spoken")
        .ignored("http_server.*", "accepted")
        .ignored("workers", "accepted; one thread decodes requests");
    return t;
  }();
  return table;
}

std::vector<OptionInfo> http_options() {
  return with_tls_server_options(http_option_table().options());
}

struct HttpSettings {
  HttpSourceOptions source = {};
  http_input::BodyOptions body = {};
  std::string tag = {};
  ServerResponse success = {};
  bool health = false;
};

// "application/json; charset=utf-8" is "application/json".
std::string media_type(std::string_view content_type) {
  std::string type(trim(content_type.substr(0, content_type.find(';'))));
  for (char& c : type) c = to_lower(c);
  return type;
}

class HttpInput final : public Input {
 public:
  HttpInput(HttpSettings settings, const ListenerRegistry& listeners, size_t claim,
            const Clock& clock)
      : settings_(std::move(settings)),
        registry_(listeners),
        claim_(claim),
        clock_(clock),
        reader_(settings_.body, clock),
        source_(settings_.source,
                {.refuse = [this](const ServerRequest& head) { return refuse(head); },
                 .decode = [this](const ServerRequest& head,
                                  std::string_view body) { return decode(head, body); }}) {}

  Status bind(boost::asio::io_context& loop) override {
    if (!registry_.listens(claim_)) return {};
    NOROSHI_TRY(source_.bind(loop));
    address_ = fmt::format("{}:{}", settings_.source.address, source_.port());
    return {};
  }
  void start(ChunkSink& sink, InputMetrics& metrics) override {
    if (address_.empty()) return;
    source_.start(sink, metrics);
    log_info("input:" + settings_.source.name, "listening on http{}://{}",
             settings_.source.tls ? "s" : "", address_);
  }
  bool busy() const override { return !address_.empty() && source_.busy(); }
  void close() override {
    if (!address_.empty()) source_.close();
  }
  std::string listening_on() const override { return address_; }

 private:
  // Fluent Bit's words, so that clients that look for them find them.
  std::optional<ServerResponse> refuse(const ServerRequest& head) const {
    const std::string_view path = head.path();
    if (!path.starts_with('/')) return text_answer(400, "error: invalid request");
    if (settings_.health && head.method == "GET" && path == "/health") {
      return ServerResponse{.headers = {{"Content-Type", "application/json"}},
                            .body = "{\"status\": \"ok\"}\n"};
    }
    if (head.method != "POST") return text_answer(400, "error: invalid HTTP method");
    const std::string_view content_type = head.header("content-type");
    if (content_type.empty()) {
      return text_answer(400, "error: header 'Content-Type' is not set");
    }
    const std::string type = media_type(content_type);
    if (type != "application/json" && type != "application/x-ndjson" &&
        type != "application/jsonl" && type != "application/x-www-form-urlencoded") {
      return text_answer(400, "error: invalid 'Content-Type'");
    }
    return std::nullopt;
  }

  DecodedRequest decode(const ServerRequest& head, std::string_view body) {
    DecodedRequest request;
    if (body.empty()) {
      request.refusal = text_answer(400, "error: no payload found");
      return request;
    }
    std::string tag = http_input::tag_of_path(head.path());
    if (tag.empty()) tag = settings_.tag;
    const std::string address = remote_address(head);
    RequestChunks chunks;
    const bool form =
        media_type(head.header("content-type")) == "application/x-www-form-urlencoded";
    const bool read = form ? reader_.read_form(body, tag, address, chunks)
                           : reader_.read_json(body, tag, address, chunks);
    if (!read) {
      request.malformed = 1;
      request.refusal = text_answer(400, "error: " + reader_.problem());
      return request;
    }
    request.chunks = chunks.take();
    request.success.status = settings_.success.status;
    request.success.headers = settings_.success.headers;
    return request;
  }

  static std::string remote_address(const ServerRequest& head) {
    const std::string_view forwarded = head.header("x-forwarded-for");
    const std::string_view first = trim(forwarded.substr(0, forwarded.find(',')));
    if (!first.empty()) return std::string(first);
    return head.peer.substr(0, head.peer.rfind(':'));
  }

  const HttpSettings settings_;
  const ListenerRegistry& registry_;
  const size_t claim_;
  const Clock& clock_;
  http_input::BodyReader reader_;  // on the HTTP thread
  std::string address_;
  HttpSource source_;
};

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const SectionOptions given = http_option_table().parse(section, diagnostics);
  HttpSettings settings;
  settings.tag = given.tag.empty() ? context.instance_name : given.tag;
  settings.health = given.enable_health_endpoint;
  settings.source.name = context.instance_name;
  settings.source.address = given.listen;
  settings.source.port = static_cast<uint16_t>(given.port);
  settings.source.body_bytes_max = given.buffer_max_size.bytes;
  settings.source.connections_max = static_cast<size_t>(given.connections_max);
  settings.source.tls = make_tls_server(section, diagnostics);
  settings.success.status = std::stoi(given.successful_response_code);
  if (given.add_remote_addr) settings.body.remote_address_key = given.remote_addr_key;
  for (const LocatedText& header : given.success_header) {
    const size_t blank = header.text.find(' ');
    if (blank == std::string::npos) {
      diagnostics.error(header.where, "http: success_header needs a name and a value")
          .help("for example success_header X-Router noroshi");
      continue;
    }
    settings.success.headers.push_back(
        {header.text.substr(0, blank), std::string(trim(header.text.substr(blank)))});
  }
  if (!given.tag_key.text.empty()) {
    auto accessor = RecordAccessor::parse(given.tag_key.text);
    if (accessor) {
      settings.body.tag_key = *std::move(accessor);
    } else {
      diagnostics.error(given.tag_key.where, "http: tag_key: " + accessor.error().message);
    }
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeInput made;
  made.description = fmt::format("HTTP requests on {}:{}, tagged {} or by their path", given.listen,
                                 given.port, settings.tag);
  const size_t claim = context.listeners.claim({.kind = "http",
                                                .owner = context.instance_name,
                                                .host = given.listen,
                                                .port = static_cast<uint16_t>(given.port)});
  made.input =
      std::make_unique<HttpInput>(std::move(settings), context.listeners, claim, context.clock);
  return made;
}

}  // namespace

const InputPlugin kHttpInput = {
    .name = "http",
    .aliases = {},
    .summary = "Records in HTTP requests",
    .options = http_options,
    .make = make,
};

}  // namespace noroshi
