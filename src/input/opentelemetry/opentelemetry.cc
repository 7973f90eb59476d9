#include "input/opentelemetry/opentelemetry.h"

#include <fmt/format.h>

#include "config/accessor_option.h"
#include "config/diagnostics.h"
#include "input/http_input.h"
#include "input/opentelemetry/otlp_logs.h"
#include "net/tls.h"

namespace noroshi {
namespace {

constexpr std::string_view kLogsPath = "/v1/logs";
constexpr std::string_view kLogsTag = "v1_logs";
constexpr std::string_view kProtobuf = "application/x-protobuf";
constexpr std::string_view kJson = "application/json";

struct SectionOptions : HttpInputOptions {
  std::string logs_body_key, logs_metadata_key;
  bool tag_from_uri = true;
};

const OptionTable<SectionOptions>& opentelemetry_option_table() {
  using S = SectionOptions;
  static const auto table = [] {
    OptionTable<S> t("opentelemetry", "Logs over OTLP/HTTP, protobuf and JSON.");
    add_http_listen_options(
        t, "4318",
        "Tag of the records with `tag_from_uri off`. Default: the instance's name, "
        "\"opentelemetry.0\".");
    t.option("tag_from_uri", &S::tag_from_uri, "on", "The tag is the path: \"v1_logs\".")
        .last_wins();
    add_http_tag_key_option(t);
    t.option("logs_body_key", &S::logs_body_key,
             "Key for every body. Default: a body that is a map is the record, any other "
             "{\"log\": body}.")
        .last_wins()
        .option("logs_metadata_key", &S::logs_metadata_key, "otlp",
                "Key of the record's metadata for what OTLP says about it.")
        .last_wins();
    add_http_request_options(t, "200");
    add_http_connections_option(t, "net.max_connections",
                                "Open connections; further ones are answered 503. noroshi's own.");
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

class LogsDecoder final : public RequestDecoder {
 public:
  LogsDecoder(std::string name, otlp::LogsOptions logs, std::string tag, int success_status,
              const Clock& clock)
      : log_name_("input:" + std::move(name)),
        tag_(std::move(tag)),
        success_status_(success_status),
        reader_(std::move(logs), clock) {}

  std::optional<ServerResponse> refuse(const ServerRequest& head) override {
    const std::string_view path = head.path();
    if (path != kLogsPath) {
      const bool other_signal =
          path == "/v1/traces" || path == "/v1/metrics" || path.starts_with("/v1development/");
      if (!other_signal) return text_answer(404, "error: logs go to /v1/logs");
      if (const auto times = log_signals_.admit()) {
        log_warn(log_name_,
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

  DecodedRequest decode(const ServerRequest& head, std::string_view body) override {
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

 private:
  const std::string log_name_;
  const std::string tag_;
  const int success_status_;
  otlp::LogsReader reader_;
  LogEpisode log_signals_{std::chrono::hours(1)};
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
  HttpSourceOptions source = make_http_source_options(given, section, context, diagnostics);
  otlp::LogsOptions logs;
  logs.body_key = given.logs_body_key;
  logs.metadata_key = given.logs_metadata_key;
  logs.tag_key = parse_accessor_option(given.tag_key, diagnostics, "opentelemetry: ");
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeInput made;
  made.other_tags = true;
  made.description =
      fmt::format("OTLP/HTTP logs on {}:{}, tagged {}", given.listen, given.port, tag);
  made.input = make_http_input(
      "opentelemetry", std::move(source),
      std::make_unique<LogsDecoder>(context.instance_name, std::move(logs), std::move(tag),
                                    std::stoi(given.successful_response_code), context.clock),
      context, std::string(kLogsPath));
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
