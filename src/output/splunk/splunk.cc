#include "output/splunk/splunk.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "config/accessor_option.h"
#include "output/request/http_item_protocol.h"
#include "output/request/item_output.h"
#include "record/json_writer.h"
#include "record/record_accessor.h"
#include "record/valid_record.h"

namespace noroshi {
namespace {

// limits.conf, [http_input] max_content_length is 800 MB today; it was 1 MB.
constexpr uint32_t kBatchBytesMax = 1 << 20;

struct Field {
  std::string name;
  RecordAccessor accessor;
};

struct SplunkProtocolOptions {
  bool raw = false;
  bool extract_time = false;
  std::optional<RecordTemplate> event_key, host, source, sourcetype_key, index_key;
  std::string sourcetype, index;
  std::vector<Field> fields;
};

class SplunkProtocol final : public HttpItemProtocol {
 public:
  SplunkProtocol(SplunkProtocolOptions options, HttpSender sender)
      : HttpItemProtocol(std::move(sender),
                         options.extract_time
                             ? "/services/collector/event?auto_extract_timestamp=true"
                         : options.raw ? "/services/collector/raw"
                                       : "/services/collector/event"),
        options_(std::move(options)) {}

  ItemLimits limits() const override { return {.bytes_max = kBatchBytesMax}; }
  // The events of one request lie one behind the other; raw events are a line each.
  ItemFraming framing() const override {
    return options_.raw ? ItemFraming{.opening = {}, .separator = "\n", .closing = "\n"}
                        : ItemFraming{};
  }

  Encoded encode(const ChunkView& chunk, uint32_t index, std::string& out, size_t) override {
    const RecordEntry& entry = chunk.records[index];
    const std::string_view record = chunk.record(entry);
    if (!is_valid_record(record)) return Encoded::NotEncodable;
    const TemplateContext context{.tag = chunk.tag, .record = record};
    const bool has_event = options_.event_key && render(*options_.event_key, context);
    if (options_.raw) {
      if (has_event) {
        out += text_;
      } else {
        static_cast<void>(write_json(out, record));  // was validated
      }
      return Encoded::Appended;
    }
    const std::string event = has_event ? text_ : std::string();
    out += '{';
    if (!options_.extract_time) {
      const auto microseconds =
          std::chrono::floor<std::chrono::microseconds>(entry.time.time_since_epoch()).count();
      out += fmt::format(R"("time":{:.6f},)", static_cast<double>(microseconds) / 1e6);
    }
    add_metadata(out, context);
    out += R"("event":)";
    if (has_event) {
      write_json_string(out, event);
    } else {
      static_cast<void>(write_json(out, record));
    }
    out += '}';
    return Encoded::Appended;
  }

 protected:
  // https://docs.splunk.com/Documentation/Splunk/latest/Data/TroubleshootHTTPEventCollector: codes
  // 1 to 4 and 7, 10, 11 are about tokens, indexes and channels, not about the events.
  RequestAnswer read_answer(const HttpResponse& response,
                            std::span<const uint32_t> items) override {
    RequestAnswer answer = HttpItemProtocol::read_answer(response, items);
    if (answer.kind != RequestAnswer::Kind::Rejected) return answer;
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    int64_t code = 0;
    if (parser.parse(response.body.data(), response.body.size()).get(root) != simdjson::SUCCESS ||
        root["code"].get(code) != simdjson::SUCCESS) {
      return answer;
    }
    const bool configuration = (code >= 1 && code <= 4) || code == 7 || code == 10 || code == 11;
    if (configuration) {
      answer.kind = RequestAnswer::Kind::Retry;
      answer.retry_class = RetryClass::Auth;
    } else if (code == 6 || code == 12 || code == 13 || code == 15) {
      answer.kind = RequestAnswer::Kind::Suspect;  // one of the events
    }
    return answer;
  }

 private:
  // True if there is a text, in text_.
  bool render(const RecordTemplate& text, const TemplateContext& context) {
    text_.clear();
    return text.render(context, text_) && !text_.empty();
  }
  void add(std::string& out, std::string_view key, std::string_view value) {
    write_json_string(out, key);
    out += ':';
    write_json_string(out, value);
    out += ',';
  }
  void add_metadata(std::string& out, const TemplateContext& context) {
    if (options_.host && render(*options_.host, context)) add(out, "host", text_);
    if (options_.source && render(*options_.source, context)) add(out, "source", text_);
    if (options_.sourcetype_key && render(*options_.sourcetype_key, context)) {
      add(out, "sourcetype", text_);
    } else if (!options_.sourcetype.empty()) {
      add(out, "sourcetype", options_.sourcetype);
    }
    if (options_.index_key && render(*options_.index_key, context)) {
      add(out, "index", text_);
    } else if (!options_.index.empty()) {
      add(out, "index", options_.index);
    }
    if (options_.fields.empty()) return;
    out += R"("fields":{)";
    for (const Field& field : options_.fields) {
      const auto value = field.accessor.find(context.record);
      if (!value) continue;
      if (out.back() != '{') out += ',';
      write_json_string(out, field.name);
      out += ':';
      static_cast<void>(write_json(out, *value));
    }
    out += "},";
  }

  const SplunkProtocolOptions options_;
  std::string text_;
};

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const SplunkOptions options = splunk_option_table().parse(section, diagnostics);
  HttpConnection connection = make_http_connection(section, options, false, diagnostics);
  SplunkProtocolOptions protocol{
      .raw = options.splunk_send_raw,
      .extract_time = options.auto_extract_timestamp,
      .event_key = parse_template_option(options.event_key, diagnostics),
      .host = parse_template_option(options.event_host, diagnostics),
      .source = parse_template_option(options.event_source, diagnostics),
      .sourcetype_key = parse_template_option(options.event_sourcetype_key, diagnostics),
      .index_key = parse_template_option(options.event_index_key, diagnostics),
      .sourcetype = options.event_sourcetype,
      .index = options.event_index,
      .fields = {}};
  for (const LocatedText& line : options.event_field) {
    const size_t space = line.text.find_first_of(" \t");
    auto accessor = space == std::string::npos
                        ? Result<RecordAccessor>(fail(ErrorCode::InvalidArgument, "no accessor"))
                        : RecordAccessor::parse(trim(std::string_view(line.text).substr(space)));
    if (!accessor) {
      diagnostics.error(line.where, "event_field: " + accessor.error().message)
          .help("write `event_field name $key['sub']`");
      continue;
    }
    protocol.fields.push_back({line.text.substr(0, space), *std::move(accessor)});
  }
  if (options.splunk_token.empty() && options.http_user.empty()) {
    diagnostics.error(section.where, "neither splunk_token nor http_user is set")
        .help("splunk_token is the token of the HTTP Event Collector");
  }
  for (const std::string* text : {&options.splunk_token, &options.channel}) {
    if (text->find_first_of("\r\n") != std::string::npos)
      diagnostics.error(section.where, "splunk_token and channel cannot have line ends");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  // http_user wins, as with Fluent Bit.
  if (!connection.headers.find("Authorization"))
    connection.headers.set("Authorization", "Splunk " + options.splunk_token);
  if (!options.channel.empty()) connection.headers.set("X-Splunk-Request-Channel", options.channel);
  ItemOutputNames names{.destination = "Splunk " + connection.base_url,
                        .identity = http_identity("splunk", connection, options.event_index)};
  return make_item_output(std::move(names),
                          std::make_unique<SplunkProtocol>(
                              std::move(protocol), HttpSender(std::move(connection), context.aws)),
                          context);
}

}  // namespace

const OptionTable<SplunkOptions>& splunk_option_table() {
  using O = SplunkOptions;
  static const auto table = [] {
    OptionTable<O> made("splunk", "The HTTP Event Collector of Splunk.");
    made.option("splunk_token", &O::splunk_token, "Token of the collector. Never printed.")
        .option("splunk_send_raw", &O::splunk_send_raw, "off",
                "Send records to the raw endpoint, a line each, without envelope.")
        .option("event_key", &O::event_key,
                "Accessor: the event is this value instead of the whole record.")
        .option("event_host", &O::event_host, "Host; may hold accessors.")
        .option("event_source", &O::event_source, "Source; may hold accessors.")
        .option("event_sourcetype", &O::event_sourcetype, "Source type.")
        .option("event_sourcetype_key", &O::event_sourcetype_key,
                "Accessor of the source type; where it is missing event_sourcetype holds.")
        .option("event_index", &O::event_index, "Index.")
        .option("event_index_key", &O::event_index_key,
                "Accessor of the index; where it is missing event_index holds.")
        .option("event_field", &O::event_field,
                "An indexed field: `name $accessor`; several lines are possible.")
        .option("auto_extract_timestamp", &O::auto_extract_timestamp, "off",
                "Splunk takes the time out of the event.")
        .option("channel", &O::channel, "Header X-Splunk-Request-Channel: a GUID.");
    add_http_options(made, {.host = "127.0.0.1", .port = "8088"});
    made.ignored("http_buffer_size", "Answers are read up to 1 MiB.")
        .ignored("http_debug_bad_request", "What was refused is logged and kept as dead letters.");
    return made;
  }();
  return table;
}

const OutputPlugin kSplunkOutput = {
    .name = "splunk",
    .aliases = {},
    .summary = "The HTTP Event Collector of Splunk",
    .options = [] { return splunk_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
