#include "input/http/http.h"

#include <fmt/format.h>

#include "config/accessor_option.h"
#include "config/diagnostics.h"
#include "input/http/http_body.h"
#include "input/http_input.h"
#include "net/tls.h"

namespace noroshi {
namespace {

constexpr std::string_view kRemoteAddressKey = "REMOTE_ADDR";

struct SectionOptions : HttpInputOptions {
  std::string remote_addr_key;
  std::vector<LocatedText> success_header;
  bool add_remote_addr = false, enable_health_endpoint = false;
};

const OptionTable<SectionOptions>& http_option_table() {
  using S = SectionOptions;
  static const auto table = [] {
    OptionTable<S> t("http", "Records in HTTP requests; a success acknowledges them.");
    add_http_listen_options(t, "9880",
                            "Tag of records sent to the path \"/\". Default: the instance's name, "
                            "\"http.0\". Other paths are tags themselves.");
    add_http_tag_key_option(t);
    add_http_request_options(t, "201");
    t.option("success_header", &S::success_header, "`NAME VALUE`: a header of every success.")
        .option("add_remote_addr", &S::add_remote_addr, "off",
                "Adds the client's address: the first of X-Forwarded-For, else the connection's.")
        .last_wins()
        .option("remote_addr_key", &S::remote_addr_key, std::string(kRemoteAddressKey),
                "Key for it.")
        .last_wins()
        .option("enable_health_endpoint", &S::enable_health_endpoint, "off",
                "GET /health answers 200.")
        .last_wins();
    add_http_connections_option(t, "http_server.max_connections",
                                "Open connections; further ones are answered 503.");
    t.alias("net.max_connections");
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
  http_input::BodyOptions body = {};
  std::string tag = {};
  ServerResponse success = {};
  bool health = false;
};

class HttpDecoder final : public RequestDecoder {
 public:
  HttpDecoder(HttpSettings settings, const Clock& clock)
      : settings_(std::move(settings)), reader_(settings_.body, clock) {}

  // Fluent Bit's words, so that clients that look for them find them.
  std::optional<ServerResponse> refuse(const ServerRequest& head) override {
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

  DecodedRequest decode(const ServerRequest& head, std::string_view body) override {
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
      request.refusal = text_answer(reader_.too_large() ? 413 : 400, "error: " + reader_.problem());
      return request;
    }
    request.chunks = chunks.take();
    request.success.status = settings_.success.status;
    request.success.headers = settings_.success.headers;
    return request;
  }

 private:
  static std::string remote_address(const ServerRequest& head) {
    const std::string_view forwarded = head.header("x-forwarded-for");
    const std::string_view first = trim(forwarded.substr(0, forwarded.find(',')));
    if (!first.empty()) return std::string(first);
    return head.peer.substr(0, head.peer.rfind(':'));
  }

  const HttpSettings settings_;
  http_input::BodyReader reader_;
};

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const SectionOptions given = http_option_table().parse(section, diagnostics);
  HttpSettings settings;
  settings.tag = given.tag.empty() ? context.instance_name : given.tag;
  settings.health = given.enable_health_endpoint;
  HttpSourceOptions source = make_http_source_options(given, section, context, diagnostics);
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
  settings.body.tag_key = parse_accessor_option(given.tag_key, diagnostics, "http: ");
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeInput made;
  made.other_tags = true;
  made.description = fmt::format("HTTP requests on {}:{}, tagged {} or by their path", given.listen,
                                 given.port, settings.tag);
  made.input =
      make_http_input("http", std::move(source),
                      std::make_unique<HttpDecoder>(std::move(settings), context.clock), context);
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
