#include "output/http/http.h"

#include <fmt/format.h>

#include "config/accessor_option.h"
#include "output/request/http_answer.h"
#include "output/request/http_sender.h"
#include "output/request/item_output.h"
#include "record/map_pairs.h"
#include "record/record_accessor.h"

namespace noroshi {
namespace {

struct HttpProtocolOptions {
  std::string path;
  std::string method;
  std::string header_tag;
  std::optional<RecordAccessor> body_key, headers_key;
};

class HttpProtocol final : public ItemProtocol {
 public:
  HttpProtocol(HttpProtocolOptions options, RecordEncoder encoder, HttpSender sender)
      : options_(std::move(options)), encoder_(std::move(encoder)), sender_(std::move(sender)) {}

  ItemLimits limits() const override {
    ItemLimits limits;
    if (options_.body_key) limits.request_items_max = 1;
    return limits;
  }
  ItemFraming framing() const override {
    return options_.body_key ? ItemFraming{} : encoder_.framing();
  }
  // A header carries the tag: records of one request share it.
  void group(const ChunkView& chunk, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups) override {
    groups.insert(groups.end(), records.size(),
                  options_.header_tag.empty() ? std::string_view() : chunk.tag);
  }
  Encoded encode(const ChunkView& chunk, uint32_t index, std::string& out, size_t) override {
    const RecordEntry& entry = chunk.records[index];
    const bool done = options_.body_key ? encode_body(chunk.record(entry), out)
                                        : encoder_.append(out, chunk, entry);
    return done ? Encoded::Appended : Encoded::NotEncodable;
  }
  RequestAnswer send(ItemBatch& batch, std::span<const uint32_t> items,
                     Monotonic deadline) override {
    HttpSender::Content content{.type = encoder_.content_type(), .method = options_.method};
    if (!options_.header_tag.empty()) content.headers.set(options_.header_tag, batch.group());
    if (options_.body_key) {
      content.type = "application/octet-stream";
      take_apart(batch.item(items.front()), content);
    } else {
      content.body = batch.join(items, gathered_);
    }
    const auto response = sender_.send(options_.path, content, deadline);
    if (!response) return classify_http_error(response.error());
    return classify_http_answer(*response, sender_.clock().wall());
  }

 private:
  // An item of body_key: lines "Name: value", an empty line, the body.
  bool encode_body(std::string_view record, std::string& out) {
    const auto body = options_.body_key->find(record);
    if (!body) return false;
    if (options_.headers_key) {
      const auto headers = options_.headers_key->find(record);
      if (!headers) return false;
      MapPairs pairs(*headers);
      for (MapPair pair; pairs.next(pair);) {
        text_.clear();
        if (pair.name.empty() || !append_value_text(text_, pair.value)) continue;
        // What would be another header, or none, is left out.
        if (text_.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos ||
            pair.name.find_first_of("\r\n: ") != std::string_view::npos) {
          continue;
        }
        out.append(pair.name).append(": ").append(text_) += '\n';
      }
      if (!pairs.ok()) return false;
    }
    out += '\n';
    return append_value_text(out, *body);
  }

  static void take_apart(std::string_view item, HttpSender::Content& content) {
    for (;;) {
      const size_t end = item.find('\n');
      const std::string_view line = item.substr(0, end);
      item.remove_prefix(end + 1);
      if (line.empty()) break;
      const size_t colon = line.find(": ");
      content.headers.set(line.substr(0, colon), line.substr(colon + 2));
    }
    content.body = item;
  }

  HttpProtocolOptions options_;
  RecordEncoder encoder_;
  HttpSender sender_;
  std::string gathered_, text_;
};

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const HttpOutputOptions options = http_option_table().parse(section, diagnostics);
  HttpConnection connection = make_http_connection(section, options, false, diagnostics);
  RecordEncoderOptions encoder = make_record_encoder_options(options, options.format, diagnostics);
  HttpProtocolOptions protocol{
      .path = absolute_path(options.uri),
      .method = options.http_method,
      .header_tag = options.header_tag,
      .body_key = parse_accessor_option(options.body_key, diagnostics),
      .headers_key = parse_accessor_option(options.headers_key, diagnostics)};
  if (!options.headers_key.text.empty() && options.body_key.text.empty()) {
    diagnostics.error(options.headers_key.where, "headers_key needs body_key");
  }
  if (options.oauth2_enable) {
    diagnostics.error(section.where_of("oauth2.enable"), "noroshi fetches no OAuth2 tokens")
        .help("use http_user and http_passwd, or a header Authorization, or aws_auth");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  ItemOutputNames names{
      .destination = fmt::format("{} {}{}", protocol.method, connection.base_url, protocol.path),
      .identity = http_identity("http", connection, protocol.path)};
  return make_item_output(
      std::move(names),
      std::make_unique<HttpProtocol>(std::move(protocol), RecordEncoder(std::move(encoder)),
                                     HttpSender(std::move(connection), context.aws)),
      context);
}

}  // namespace

const OptionTable<HttpOutputOptions>& http_option_table() {
  using O = HttpOutputOptions;
  static const auto table = [] {
    OptionTable<O> made("http", "Bodies of HTTP requests.");
    made.option("uri", &O::uri, "/", "Path and query.")
        .choice("http_method", &O::http_method, "POST", {"POST", "PUT"}, "Method.")
        .choice("format", &O::format, "json",
                {{"json", RecordFormat::Json},
                 {"json_stream", RecordFormat::JsonStream},
                 {"json_lines", RecordFormat::JsonLines},
                 {"msgpack", RecordFormat::Msgpack},
                 {"gelf", RecordFormat::Gelf}},
                "json: one array; json_lines: an object a line; json_stream: objects one behind "
                "the other; msgpack: `[[time, {metadata}], {record}]`; gelf: a line each.")
        .option("header_tag", &O::header_tag, "Name of a header that carries the tag.")
        .option("body_key", &O::body_key,
                "Accessor: every record is a request of its own with this value as the body.")
        .option("headers_key", &O::headers_key,
                "Accessor of a map whose pairs are headers of that request.");
    add_json_date_options(made, "date", "double");
    add_gelf_options(made);
    add_http_options(made, {});
    add_aws_auth_options(made, "aws_service", "");
    made.option("oauth2.enable", &O::oauth2_enable, "off", "Not supported: on is an error.")
        .ignored("oauth2.*", "Without oauth2.enable they have no effect.");
    return made;
  }();
  return table;
}

const OutputPlugin kHttpOutput = {
    .name = "http",
    .aliases = {},
    .summary = "Bodies of HTTP requests",
    .options = [] { return http_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
