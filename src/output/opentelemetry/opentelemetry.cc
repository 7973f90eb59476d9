#include "output/opentelemetry/opentelemetry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "base/log.h"
#include "config/accessor_option.h"
#include "output/opentelemetry/otlp_answer.h"
#include "output/opentelemetry/otlp_encoder.h"
#include "output/request/http_item_protocol.h"
#include "output/request/item_output.h"
#include "output/request/protobuf_writer.h"

namespace noroshi {
namespace {

// Receivers' own limits: 4 MiB where they are gRPC's; CloudWatch 1 MB uncompressed.
constexpr uint32_t kBatchBytesMax = 900'000;

class OtlpProtocol final : public HttpItemProtocol {
 public:
  // `resource`: attributes of every record, as fields of a Resource.
  OtlpProtocol(OtlpOptions options, std::string resource, uint32_t batch_records,
               std::string component, HttpSender sender, std::string path)
      : HttpItemProtocol(std::move(sender), std::move(path)),
        encoder_(std::move(options)),
        resource_(std::move(resource)),
        batch_records_(batch_records),
        component_(std::move(component)) {}

  ItemLimits limits() const override {
    return {.items_max = batch_records_, .bytes_max = kBatchBytesMax};
  }

  // An item: an ItemHead, the origin's three parts, the fields of the LogRecord. Host byte order:
  // it never leaves the process.
  Encoded encode(const ChunkView& chunk, uint32_t index, std::string& out, size_t) override {
    const RecordEntry& entry = chunk.records[index];
    const OtlpEncoder::Origin origin = OtlpEncoder::origin(chunk, entry);
    const ItemHead head{.resource = static_cast<uint32_t>(origin.resource.size()),
                        .resource_schema = static_cast<uint32_t>(origin.resource_schema.size()),
                        .scope = static_cast<uint32_t>(origin.scope.size())};
    const size_t before = out.size();
    out.append(reinterpret_cast<const char*>(&head), sizeof head);
    out.append(origin.resource).append(origin.resource_schema).append(origin.scope);
    if (encoder_.append_record(out, chunk, entry)) return Encoded::Appended;
    out.resize(before);
    return Encoded::NotEncodable;
  }

 protected:
  std::string_view body(ItemBatch& batch, std::span<const uint32_t> items) override {
    std::vector<Entry> entries;
    for (const uint32_t item : items) {
      std::string_view text = batch.item(item);
      ItemHead head;
      std::memcpy(&head, text.data(), sizeof head);
      text.remove_prefix(sizeof head);
      const size_t resource_end = head.resource + head.resource_schema;
      entries.push_back({.head = head,
                         .resource = text.substr(0, resource_end),
                         .scope = text.substr(resource_end, head.scope),
                         .record = text.substr(resource_end + head.scope)});
    }
    // Items lie in the order of their arrival: records of one scope stay in it.
    const auto key = [](const Entry& entry) {
      return std::tuple(entry.resource, entry.scope, entry.record.data());
    };
    std::ranges::sort(entries, {}, key);
    gathered_.clear();
    ProtobufWriter writer(gathered_);
    for (size_t i = 0; i < entries.size();) {
      const Entry& first = entries[i];
      const size_t resource_logs = writer.begin_message(1);
      const size_t resource = writer.begin_message(1);
      gathered_.append(resource_).append(first.resource.substr(0, first.head.resource));
      writer.end_message(resource);
      while (i < entries.size() && entries[i].resource == first.resource) {
        const std::string_view scope = entries[i].scope;
        const size_t scope_logs = writer.begin_message(2);
        gathered_.append(scope);
        for (; i < entries.size() && entries[i].resource == first.resource &&
               entries[i].scope == scope;
             ++i) {
          writer.bytes_field(2, entries[i].record);
        }
        writer.end_message(scope_logs);
      }
      gathered_.append(first.resource.substr(first.head.resource));
      writer.end_message(resource_logs);
    }
    return gathered_;
  }
  void prepare(const ItemBatch& /*batch*/, HttpSender::Content& content) override {
    content.type = "application/x-protobuf";
  }
  RequestAnswer read_answer(const HttpResponse& response,
                            std::span<const uint32_t> items) override {
    RequestAnswer answer = HttpItemProtocol::read_answer(response, items);
    if (answer.kind != RequestAnswer::Kind::Answered) return answer;
    // Some receivers answer JSON or nothing at all: the status decides.
    const auto parsed = parse_otlp_answer(response.body);
    if (!parsed || parsed->rejected == 0) return answer;
    // The specification forbids to send them again, and the receiver does not say which they are.
    answer.reason = fmt::format("the receiver did not take {} of {} records: {}", parsed->rejected,
                                items.size(), parsed->message);
    if (parsed->rejected >= items.size()) {
      answer.kind = RequestAnswer::Kind::Rejected;
    } else if (const auto times = partial_.admit()) {
      log_warn(component_, "{} ({} times)", answer.reason, times);
    }
    return answer;
  }

 private:
  struct ItemHead {
    uint32_t resource = 0, resource_schema = 0, scope = 0;  // bytes
  };
  struct Entry {
    ItemHead head = {};
    std::string_view resource = {};  // with its schema
    std::string_view scope = {};
    std::string_view record = {};
  };

  OtlpEncoder encoder_;
  const std::string resource_;
  const uint32_t batch_records_;
  const std::string component_;
  LogEpisode partial_{};
};

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const OpentelemetryOptions options = opentelemetry_option_table().parse(section, diagnostics);
  HttpConnection connection = make_http_connection(section, options, false, diagnostics);
  OtlpOptions encoder{
      .body_keys = {},
      .body_key_attributes = options.logs_body_key_attributes,
      .metadata_key = options.logs_metadata_key,
      .span_id = parse_accessor_option(options.span_id_key, diagnostics),
      .trace_id = parse_accessor_option(options.trace_id_key, diagnostics),
      .severity_text = parse_accessor_option(options.severity_text_key, diagnostics),
      .severity_number = parse_accessor_option(options.severity_number_key, diagnostics)};
  std::vector<LocatedText> body_keys = options.logs_body_key;
  if (body_keys.empty()) body_keys = {{.text = "$log"}, {.text = "$message"}};
  for (const LocatedText& key : body_keys) {
    if (auto accessor = parse_accessor_option(key, diagnostics))
      encoder.body_keys.push_back(*std::move(accessor));
  }
  std::string resource;
  for (const LocatedText& label : options.add_label) {
    const size_t space = label.text.find_first_of(" \t");
    if (space == std::string::npos) {
      diagnostics.error(label.where, "add_label is `add_label name value`");
      continue;
    }
    append_otlp_attribute(resource, 1, label.text.substr(0, space),
                          trim(std::string_view(label.text).substr(space)));
  }
  if (options.grpc) {
    diagnostics.error(section.where_of("grpc"), "OTLP over gRPC is not spoken")
        .help("receivers take OTLP over HTTP on port 4318: set port 4318 and grpc off");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  const std::string path = absolute_path(options.logs_uri);
  ItemOutputNames names{.destination = fmt::format("OTLP {}{}", connection.base_url, path),
                        .identity = http_identity("opentelemetry", connection, path)};
  return make_item_output(
      std::move(names),
      std::make_unique<OtlpProtocol>(
          std::move(encoder), std::move(resource), static_cast<uint32_t>(options.batch_size),
          "output:" + context.instance_name, HttpSender(std::move(connection), context.aws), path),
      context);
}

}  // namespace

const OptionTable<OpentelemetryOptions>& opentelemetry_option_table() {
  using O = OpentelemetryOptions;
  static const auto table = [] {
    OptionTable<O> made("opentelemetry", "Logs to an OTLP/HTTP receiver.");
    made.option("logs_uri", &O::logs_uri, "/v1/logs", "Path.")
        .option("add_label", &O::add_label,
                "An attribute of the resource: `name value`; several lines are possible.")
        .option("batch_size", &O::batch_size, "1000", "Records of one request at most.")
        .between("1", "10000")
        .option("logs_body_key", &O::logs_body_key,
                "Accessors of the body, the first that the record has; several lines are possible. "
                "Not set: $log, $message. Without any of them the body is the whole record.")
        .option("logs_body_key_attributes", &O::logs_body_key_attributes, "on",
                "The record's other keys become attributes; off: they are not sent.")
        .option("logs_metadata_key", &O::logs_metadata_key, "otlp",
                "Key of the metadata that holds timestamp, severity, trace and attributes.")
        .option("logs_span_id_message_key", &O::span_id_key, "$SpanId",
                "Accessor of the span id, where the metadata has none.")
        .option("logs_trace_id_message_key", &O::trace_id_key, "$TraceId",
                "Accessor of the trace id.")
        .option("logs_severity_text_message_key", &O::severity_text_key, "$SeverityText",
                "Accessor of the severity's text.")
        .option("logs_severity_number_message_key", &O::severity_number_key, "$SeverityNumber",
                "Accessor of the severity's number. Without one the record's level decides.");
    add_http_options(made, {.host = "127.0.0.1", .port = "80"});
    add_aws_auth_options(made, "aws_service", "logs");
    made.option("grpc", &O::grpc, "off", "Not supported: on is an error.")
        .ignored("http2", "Requests are HTTP/1.1.");
    for (const char* name : {"metrics_uri", "grpc_metrics_uri", "grpc_logs_uri", "traces_uri",
                             "grpc_traces_uri", "profiles_uri", "grpc_profiles_uri"}) {
      made.ignored(name, "Only logs are sent, over HTTP.");
    }
    for (const char* name : {"logs_max_resources", "logs_max_scopes"})
      made.ignored(name, "batch_size bounds a request.");
    for (const char* name :
         {"logs_observed_timestamp_metadata_key", "logs_timestamp_metadata_key",
          "logs_severity_text_metadata_key", "logs_severity_number_metadata_key",
          "logs_trace_flags_metadata_key", "logs_span_id_metadata_key",
          "logs_trace_id_metadata_key", "logs_attributes_metadata_key",
          "logs_instrumentation_scope_metadata_key", "logs_resource_metadata_key"}) {
      made.ignored(name, "Metadata is read under logs_metadata_key.",
                   "has no effect: metadata is read under logs_metadata_key");
    }
    return made;
  }();
  return table;
}

const OutputPlugin kOpentelemetryOutput = {
    .name = "opentelemetry",
    .aliases = {},
    .summary = "Logs to an OTLP/HTTP receiver",
    .options = [] { return opentelemetry_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
