#include "input/opentelemetry/opentelemetry.h"

#include <fmt/format.h>

#include "config/diagnostics.h"
#include "config/option_table.h"
#include "input/opentelemetry/otlp_logs.h"
#include "net/listener_registry.h"
#include "net/tls.h"
#include "record/ascii.h"

namespace noroshi {
namespace {

constexpr std::string_view kLogsPath = "/v1/logs";
constexpr std::string_view kLogsTag = "v1_logs";
constexpr std::string_view kProtobuf = "application/x-protobuf";
constexpr std::string_view kJson = "application/json";

struct SectionOptions {
  std::string listen, tag, logs_body_key, logs_metadata_key, successful_response_code;
  int64_t port = 0, connections_max = 0;
  LocatedText tag_key;
  bool tag_from_uri = true;
  ByteSize buffer_max_size, buffer_chunk_size;
};

const OptionTable<SectionOptions>& opentelemetry_option_table() {
  using S = SectionOptions;
  static const auto table = [] {
    OptionTable<S> t("opentelemetry", "Logs over OTLP/HTTP, protobuf and JSON.");
    t.option("listen", &S::listen, "0.0.0.0", "Address to listen on.")
        .last_wins()
        .option("port", &S::port, "4318", "TCP port. 0: any free one.")
        .between("0", "65535")
        .last_wins()
        .option("tag", &S::tag,
                "Tag of the records with `tag_from_uri off`. Default: the instance's name, "
                "\"opentelemetry.0\".")
        .last_wins()
        .option("tag_from_uri", &S::tag_from_uri, "on", "The tag is the path: \"v1_logs\".")
        .last_wins()
        .option("tag_key", &S::tag_key,
                "A field of the records ($a['b']) whose text is their tag instead.")
        .last_wins()
        .option("logs_body_key", &S::logs_body_key,
                "Key for every body. Default: a body that is a map is the record, any other "
                "{\"log\": body}.")
        .last_wins()
        .option("logs_metadata_key", &S::logs_metadata_key, "otlp",
                "Key of the record's metadata for what OTLP says about it.")
        .last_wins()
        .option("buffer_max_size", &S::buffer_max_size, "4MiB",
                "Largest body as it arrives; 16 MiB after decompression.")
        .between("1KiB", "8MiB")
        .last_wins()
        .option("buffer_chunk_size", &S::buffer_chunk_size, "512KiB",
                "Checked, without effect: buffers grow as they are needed.")
        .last_wins()
        .choice("successful_response_code", &S::successful_response_code, "200",
                {"200", "201", "204"}, "Status of a success.")
        .last_wins()
        .option("net.max_connections", &S::connections_max, "1024",
                "Open connections; further ones are answered 503. noroshi's own.")
        .between("1", "65535")
        .last_wins();
    t.ignored("net.*", "accepted; an idle connection is closed after 75 s")
        .ignored("http2", "accepted; HTTP/1.1 is spoken, gRPC is not")
        .ignored("http_server.*", "accepted")
        .ignored("raw_traces", "accepted; traces are answered 501")
        .ignored("profiles_support", "accepted; profiles are answered 501")
        .ignored("encode_profiles_as_log", "accepted; profiles are answered 501")
        .ignored("workers", "accepted; one thread decodes requests");
    return t;
  }();
  return table;
}

std::vector<OptionInfo> opentelemetry_options() {
  return with_tls_server_options(opentelemetry_option_table().options());
}

std::string media_type(std::string_view content_type) {
  std::string type(trim(content_type.substr(0, content_type.find(';'))));
  for (char& c : type) c = to_lower(c);
  return type;
}

class OpentelemetryInput final : public Input {
 public:
  OpentelemetryInput(HttpSourceOptions source, otlp::LogsOptions logs, std::string tag,
                     int success_status, const ListenerRegistry& listeners, size_t claim,
                     const Clock& clock)
      : options_(source),
        tag_(std::move(tag)),
        success_status_(success_status),
        registry_(listeners),
        claim_(claim),
        reader_(std::move(logs), clock),
        source_(std::move(source),
                {.refuse = [this](const ServerRequest& head) { return refuse(head); },
                 .decode = [this](const ServerRequest& head,
                                  std::string_view body) { return decode(head, body); }}) {}

  Status bind(boost::asio::io_context& loop) override {
    if (!registry_.listens(claim_)) return {};
    NOROSHI_TRY(source_.bind(loop));
    address_ = fmt::format("{}:{}", options_.address, source_.port());
    return {};
  }
  void start(ChunkSink& sink, InputMetrics& metrics) override {
    if (address_.empty()) return;
    source_.start(sink, metrics);
    log_info("input:" + options_.name, "listening on http{}://{}{}", options_.tls ? "s" : "",
             address_, kLogsPath);
  }
  bool busy() const override { return !address_.empty() && source_.busy(); }
  void close() override {
    if (!address_.empty()) source_.close();
  }
  std::string listening_on() const override { return address_; }

 private:
  std::optional<ServerResponse> refuse(const ServerRequest& head) {
    const std::string_view path = head.path();
    if (path != kLogsPath) {
      const bool other_signal =
          path == "/v1/traces" || path == "/v1/metrics" || path.starts_with("/v1development/");
      if (!other_signal) return text_answer(404, "error: logs go to /v1/logs");
      if (const auto times = log_signals_.admit()) {
        log_warn("input:" + options_.name,
                 "{} sends to {}: noroshi takes logs only, these are answered 501 ({} times)",
                 head.peer, path, times);
      }
      return text_answer(501, "error: this router takes logs only (/v1/logs)");
    }
    if (head.method != "POST") return text_answer(405, "error: invalid HTTP method");
    const std::string type = media_type(head.header("content-type"));
    if (type != kProtobuf && type != kJson) {
      return text_answer(415,
                         "error: Content-Type is neither application/x-protobuf nor "
                         "application/json");
    }
    return std::nullopt;
  }

  DecodedRequest decode(const ServerRequest& head, std::string_view body) {
    const bool protobuf = media_type(head.header("content-type")) == kProtobuf;
    DecodedRequest request;
    RequestChunks chunks;
    const Status read = protobuf ? reader_.read_protobuf(body, tag_, chunks)
                                 : reader_.read_json(body, tag_, chunks);
    if (!read) {
      request.malformed = 1;
      request.refusal = text_answer(read.error().code == ErrorCode::Exhausted ? 413 : 400,
                                    "error: " + read.error().message);
      return request;
    }
    request.chunks = chunks.take();
    // An empty ExportLogsServiceResponse: everything is accepted.
    request.success.status = success_status_;
    request.success.headers = {{"Content-Type", std::string(protobuf ? kProtobuf : kJson)}};
    if (!protobuf) request.success.body = "{}";
    return request;
  }

  const HttpSourceOptions options_;
  const std::string tag_;
  const int success_status_;
  const ListenerRegistry& registry_;
  const size_t claim_;
  otlp::LogsReader reader_;  // on the HTTP thread
  LogEpisode log_signals_{std::chrono::hours(1)};
  std::string address_;
  HttpSource source_;
};

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const SectionOptions given = opentelemetry_option_table().parse(section, diagnostics);
  std::string tag = given.tag.empty() ? context.instance_name : given.tag;
  if (given.tag_from_uri) {
    if (!given.tag.empty()) {
      diagnostics
          .warning(section.where_of("tag"),
                   "opentelemetry: tag has no effect: the records are tagged v1_logs")
          .help("add tag_from_uri off");
    }
    tag = kLogsTag;
  }
  HttpSourceOptions source;
  source.name = context.instance_name;
  source.address = given.listen;
  source.port = static_cast<uint16_t>(given.port);
  source.body_bytes_max = given.buffer_max_size.bytes;
  source.connections_max = static_cast<size_t>(given.connections_max);
  source.tls = make_tls_server(section, diagnostics);
  otlp::LogsOptions logs;
  logs.body_key = given.logs_body_key;
  logs.metadata_key = given.logs_metadata_key;
  if (!given.tag_key.text.empty()) {
    auto accessor = RecordAccessor::parse(given.tag_key.text);
    if (accessor) {
      logs.tag_key = *std::move(accessor);
    } else {
      diagnostics.error(given.tag_key.where, "opentelemetry: tag_key: " + accessor.error().message);
    }
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeInput made;
  made.description =
      fmt::format("OTLP/HTTP logs on {}:{}, tagged {}", given.listen, given.port, tag);
  const size_t claim = context.listeners.claim({.kind = "opentelemetry",
                                                .owner = context.instance_name,
                                                .host = given.listen,
                                                .port = static_cast<uint16_t>(given.port)});
  made.input = std::make_unique<OpentelemetryInput>(
      std::move(source), std::move(logs), std::move(tag), std::stoi(given.successful_response_code),
      context.listeners, claim, context.clock);
  return made;
}

}  // namespace

const InputPlugin kOpentelemetryInput = {
    .name = "opentelemetry",
    .aliases = {},
    .summary = "Logs over OTLP/HTTP, protobuf and JSON",
    .options = opentelemetry_options,
    .make = make,
};

}  // namespace noroshi
