#include "output/nrlogs/nrlogs.h"

#include <fmt/format.h>

#include "http/url.h"
#include "output/request/http_item_protocol.h"
#include "output/request/item_output.h"
#include "output/request/key_text.h"
#include "record/json_writer.h"
#include "record/map_pairs.h"
#include "record/record_accessor.h"
#include "record/valid_record.h"

namespace noroshi {
namespace {

class NrlogsProtocol final : public HttpItemProtocol {
 public:
  NrlogsProtocol(HttpSender sender, std::string path)
      : HttpItemProtocol(std::move(sender), std::move(path)) {}

  ItemLimits limits() const override {
    return {.bytes_max = nrlogs_limits::kBatchBytesMax,
            .item_bytes_max = nrlogs_limits::kBatchBytesMax};
  }
  ItemFraming framing() const override {
    return {
        .opening =
            R"([{"common":{"attributes":{"plugin":{"type":"noroshi","version":")" NOROSHI_VERSION
            R"("}}},"logs":[)",
        .separator = ",",
        .closing = "]}]"};
  }
  // {"timestamp":ms,"message":…,"attributes":{the rest}}: `log` before `message`.
  Encoded encode(const ChunkView& chunk, uint32_t index, std::string& out, size_t) override {
    const RecordEntry& entry = chunk.records[index];
    const std::string_view record = chunk.record(entry);
    if (!is_valid_record(record)) return Encoded::NotEncodable;
    out += fmt::format(R"({{"timestamp":{})",
                       std::chrono::floor<Milliseconds>(entry.time.time_since_epoch()).count());
    std::string_view message_key = "log";
    auto message = find_key(record, message_key);
    if (!message) message = find_key(record, message_key = "message");
    if (message) {
      out += R"(,"message":)";
      static_cast<void>(write_json(out, *message));  // was validated
    }
    out += R"(,"attributes":{)";
    MapPairs pairs(record);
    for (MapPair pair; pairs.next(pair);) {
      if (message && pair.name == message_key) continue;
      if (out.back() != '{') out += ',';
      write_json_string(out, key_text(pair, text_));
      out += ':';
      static_cast<void>(write_json(out, pair.value));
    }
    out += "}}";
    return Encoded::Appended;
  }

 private:
  std::string text_;
};

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  NrlogsOptions options = nrlogs_option_table().parse(section, diagnostics);
  const auto url = parse_url(options.base_uri.text);
  std::string path;
  bool tls = true;
  if (!url) {
    diagnostics.error(options.base_uri.where, "base_uri: " + url.error().message);
  } else {
    options.host = url->host;
    options.port = url->effective_port();
    tls = url->scheme == "https";
    path = absolute_path(url->path) + (url->query.empty() ? "" : "?" + url->query);
  }
  if (options.api_key.empty() && options.license_key.empty()) {
    diagnostics.error(section.where, "neither license_key nor api_key is set")
        .help("license_key is the ingest key of the New Relic account");
  }
  if (!options.api_key.empty() && !options.license_key.empty()) {
    diagnostics.error(section.where_of("api_key"), "api_key and license_key exclude each other");
  }
  for (const std::string* key : {&options.api_key, &options.license_key}) {
    if (key->find_first_of("\r\n") != std::string::npos)
      diagnostics.error(section.where, "the key has a line end");
  }
  HttpConnection connection = make_http_connection(section, options, tls, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  if (!options.license_key.empty()) {
    connection.headers.set("X-License-Key", options.license_key);
  } else {
    connection.headers.set("X-Insert-Key", options.api_key);
  }
  ItemOutputNames names{.destination = fmt::format("New Relic {}{}", connection.base_url, path),
                        .identity = http_identity("nrlogs", connection, path)};
  return make_item_output(
      std::move(names),
      std::make_unique<NrlogsProtocol>(HttpSender(std::move(connection), context.aws), path),
      context);
}

}  // namespace

const OptionTable<NrlogsOptions>& nrlogs_option_table() {
  using O = NrlogsOptions;
  static const auto table = [] {
    OptionTable<O> made("nrlogs", "The Log API of New Relic.");
    // The other spellings are those of New Relic's own Go plugin, whose name is the alias.
    made.option("license_key", &O::license_key, "Licence (ingest) key. Never printed.")
        .alias("licensekey")
        .option("api_key", &O::api_key, "Insert key, instead. Never printed.")
        .alias("apikey")
        .option("base_uri", &O::base_uri, "https://log-api.newrelic.com/log/v1",
                "In Europe: https://log-api.eu.newrelic.com/log/v1.")
        .alias("endpoint");
    add_http_options(made, {.compress = "gzip"});
    made.ignored("maxbuffersize", "Requests are bounded by what New Relic takes.")
        .ignored("maxrecords", "Requests are bounded by what New Relic takes.")
        .ignored("httpclienttimeout", "See http.response_timeout.")
        .ignored("sendmetrics", "The router's metrics are at /api/v2/metrics/prometheus.")
        .ignored("lowdatamode", "It is for Kubernetes metadata.");
    return made;
  }();
  return table;
}

const OutputPlugin kNrlogsOutput = {
    .name = "nrlogs",
    .aliases = {"newrelic"},
    .summary = "The Log API of New Relic",
    .options = [] { return nrlogs_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
