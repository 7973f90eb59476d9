#include "output/opensearch/opensearch.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/fingerprint.h"
#include "base/log.h"
#include "config/accessor_option.h"
#include "http/url.h"
#include "output/opensearch/bulk_answer.h"
#include "output/request/http_item_protocol.h"
#include "output/request/item_output.h"
#include "output/request/key_text.h"
#include "output/request/record_encoder.h"
#include "output/request/replace_dots.h"
#include "record/json_writer.h"
#include "record/map_pairs.h"
#include "record/msgpack_writer.h"
#include "record/record_accessor.h"
#include "record/valid_record.h"

namespace noroshi {
namespace {

// Documents of one request; the answer has some 300 bytes for each.
constexpr uint32_t kDocumentsMax = 5000;
constexpr uint32_t kBatchBytesMax = 2 << 20;
constexpr uint32_t kDocumentBytesMax = 16 << 20;
constexpr size_t kAnswerBytesMax = 8 << 20;
// Elasticsearch: 512 bytes of _id.
constexpr size_t kIdBytesMax = 512;

std::string_view operation_name(BulkOperation operation) {
  switch (operation) {
    case BulkOperation::Create:
      return "create";
    case BulkOperation::Index:
      return "index";
    case BulkOperation::Update:
    case BulkOperation::Upsert:
      break;
  }
  return "update";
}

// What an index name cannot hold (Elasticsearch reference, "Create index", path parameters), and
// what would break out of the action line.
bool is_index_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find_first_of("\\/*?\"<>| ,#:") == std::string_view::npos &&
         std::ranges::all_of(name,
                             [](unsigned char c) { return c >= 0x20 && !(c >= 'A' && c <= 'Z'); });
}

struct Parsed {
  std::optional<RecordTemplate> index;  // where the name has accessors
  std::optional<RecordTemplate> prefix;
  std::optional<RecordAccessor> id;
};

std::string bulk_path(const OpensearchOptions& options) {
  std::string path = options.path.empty() ? "" : absolute_path(options.path);
  while (path.ends_with('/')) path.pop_back();
  path += "/_bulk";
  if (!options.pipeline.empty()) path += "?pipeline=" + percent_encode(options.pipeline);
  return path;
}

class BulkProtocol final : public HttpItemProtocol {
 public:
  BulkProtocol(const OpensearchOptions& options, Parsed parsed, std::string journal_id,
               HttpSender sender, std::string component)
      : HttpItemProtocol(std::move(sender), bulk_path(options)),
        options_(options),
        parsed_(std::move(parsed)),
        journal_id_(std::move(journal_id)),
        component_(std::move(component)) {}

  ItemLimits limits() const override {
    return {.items_max = kDocumentsMax,
            .bytes_max = kBatchBytesMax,
            .item_bytes_max = kDocumentBytesMax};
  }

  // An item: the action's line and the document's line.
  Encoded encode(const ChunkView& chunk, uint32_t index, std::string& out, size_t) override {
    const RecordEntry& entry = chunk.records[index];
    const std::string_view record = chunk.record(entry);
    if (!is_valid_record(record)) return Encoded::NotEncodable;
    const std::string id = id_of(chunk, index, record);
    const bool update = options_.write_operation == BulkOperation::Update ||
                        options_.write_operation == BulkOperation::Upsert;
    if (update && id.empty()) return Encoded::NotEncodable;
    out += R"({")";
    out += operation_name(options_.write_operation);
    out += R"(":{"_index":)";
    write_json_string(out, index_of(chunk, entry, record));
    if (!options_.suppress_type_name) {
      out += R"(,"_type":)";
      write_json_string(out, options_.type);
    }
    if (!id.empty()) {
      out += R"(,"_id":)";
      write_json_string(out, id);
    }
    out += "}}\n";
    if (options_.write_operation == BulkOperation::Update) out += R"({"doc":)";
    if (options_.write_operation == BulkOperation::Upsert) out += R"({"doc_as_upsert":true,"doc":)";
    write_document(out, chunk, entry, record);
    out += update ? "}\n" : "\n";
    return Encoded::Appended;
  }

 protected:
  void prepare(const ItemBatch& /*batch*/, HttpSender::Content& content) override {
    content.type = "application/x-ndjson";
    content.answer_bytes_max = kAnswerBytesMax;
  }
  RequestAnswer read_answer(const HttpResponse& response,
                            std::span<const uint32_t> items) override {
    if (!response.ok()) return classify_refusal(response, items);
    auto failed = parse_bulk_answer(response.body, items.size());
    if (!failed) {
      return RequestAnswer::retry(
          RetryClass::Transient, fmt::format("_bulk: HTTP {} that is no bulk answer (a proxy?): {}",
                                             response.status, failed.error().message));
    }
    return sort(*failed, items);
  }

 private:
  RequestAnswer classify_refusal(const HttpResponse& response, std::span<const uint32_t> items) {
    RequestAnswer answer = HttpItemProtocol::read_answer(response, items);
    if (answer.kind != RequestAnswer::Kind::Rejected) return answer;
    if (response.body.find("[_type]") != std::string::npos) {
      answer.kind = RequestAnswer::Kind::Retry;
      answer.retry_class = RetryClass::Auth;
      answer.reason =
          "the service knows no mapping types: set Suppress_Type_Name on; " + answer.reason;
    } else if (response.status == 400) {
      // "Malformed action/metadata line": one of the documents, or the configuration.
      answer.kind = RequestAnswer::Kind::Suspect;
    }
    return answer;
  }

  RequestAnswer sort(const std::vector<FailedBulkItem>& failed,
                     std::span<const uint32_t> items) const {
    RequestAnswer answer = RequestAnswer::answered();
    const bool own_ids = options_.generate_id || parsed_.id.has_value();
    for (const FailedBulkItem& item : failed) {
      const uint32_t which = items[item.index];
      const bool configuration = item.status == 401 || item.status == 403 ||
                                 item.type == "index_not_found_exception" ||
                                 item.type == "cluster_block_exception";
      if (item.status == 409 && options_.write_operation == BulkOperation::Create && own_ids) {
        continue;  // stored by an attempt whose answer was lost
      }
      if (item.status == 429 || item.status == 408 || item.status == 409 || item.status >= 500 ||
          configuration) {
        if (answer.again.empty()) {
          answer.retry_class = configuration        ? RetryClass::Auth
                               : item.status == 429 ? RetryClass::Throttled
                                                    : RetryClass::Transient;
        }
        answer.again.push_back(which);
      } else {
        answer.refused.push_back({.item = which, .reason = DropReason::Rejected});
      }
      if (answer.reason.empty())
        answer.reason = fmt::format("HTTP {} {}: {}", item.status, item.type, item.reason);
    }
    if (!answer.again.empty() || !answer.refused.empty()) {
      answer.reason =
          fmt::format("_bulk: of {} documents {} are to be sent again and {} refused: {}",
                      items.size(), answer.again.size(), answer.refused.size(), answer.reason);
    }
    return answer;
  }

  std::string id_of(const ChunkView& chunk, uint32_t index, std::string_view record) {
    if (parsed_.id) {
      std::string id;
      const auto value = parsed_.id->find(record);
      if (value && append_value_text(id, *value) && !id.empty() && id.size() <= kIdBytesMax)
        return id;
      if (!options_.generate_id) return {};
    }
    if (!options_.generate_id) return {};
    // The same record has the same id in every attempt and after a restart; two equal lines are two
    // documents.
    Fingerprint first;
    first.add(journal_id_);
    Fingerprint second;
    second.add(fmt::format("{}:{}", chunk.offset(index).value, journal_id_));
    return fmt::format("{:016x}{:016x}{:016x}", first.value(), second.value(),
                       chunk.offset(index).value);
  }

  std::string index_of(const ChunkView& chunk, const RecordEntry& entry, std::string_view record) {
    const Timestamp time = options_.current_time_index ? clock().wall() : entry.time;
    const TemplateContext context{.tag = chunk.tag, .record = record};
    if (options_.logstash_format) {
      std::string name;
      if (!parsed_.prefix || !parsed_.prefix->render(context, name) || !is_index_name(name))
        name = options_.logstash_prefix;
      return name + options_.logstash_prefix_separator +
             format_time(options_.logstash_dateformat, time);
    }
    if (parsed_.index) {
      std::string name;
      if (parsed_.index->render(context, name) && is_index_name(name)) return name;
      if (const auto times = index_episode_.admit()) {
        log_warn(component_,
                 "the index \"{}\" cannot be filled in from a record: {} is used ({} times)",
                 options_.index.text, kDefaultIndex, times);
      }
      return std::string(kDefaultIndex);
    }
    if (options_.index.text.find('%') == std::string::npos) return options_.index.text;
    return format_time(options_.index.text, clock().wall());
  }

  void write_document(std::string& out, const ChunkView& chunk, const RecordEntry& entry,
                      std::string_view record) {
    const Timestamp time = options_.current_time_index ? clock().wall() : entry.time;
    out += '{';
    write_json_string(out, options_.time_key);
    out += ':';
    write_json_string(out, format_time(options_.time_key_format, time) +
                               format_time(options_.time_key_nanos ? ".%9NZ" : ".%3NZ", time));
    if (options_.include_tag_key) {
      out += ',';
      write_json_string(out, options_.tag_key);
      out += ':';
      write_json_string(out, chunk.tag);
    }
    if (options_.replace_dots) {
      rewritten_.clear();
      append_with_dots_replaced(rewritten_, record, "_");
      record = rewritten_;
    }
    MapPairs pairs(record);
    std::string text;
    for (MapPair pair; pairs.next(pair);) {
      // A duplicate key would make the document malformed: the record's own gives way.
      if (pair.name == options_.time_key ||
          (options_.include_tag_key && pair.name == options_.tag_key)) {
        continue;
      }
      out += ',';
      write_json_string(out, key_text(pair, text));
      out += ':';
      static_cast<void>(write_json(out, pair.value));  // was validated
    }
    out += '}';
  }

  static constexpr std::string_view kDefaultIndex = "fluent-bit";

  const OpensearchOptions options_;
  const Parsed parsed_;
  const std::string journal_id_;
  const std::string component_;
  std::string rewritten_;
  LogEpisode index_episode_{Seconds(3600)};
};

// "name:base64(host$id$kibana)": https://www.elastic.co/docs/reference/cloud, Cloud ID.
std::optional<std::string> host_of_cloud_id(std::string_view cloud_id, int64_t& port) {
  const size_t colon = cloud_id.rfind(':');
  std::string decoded;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : cloud_id.substr(colon == std::string_view::npos ? 0 : colon + 1)) {
    if (c == '=') break;
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if ((count += 6) >= 8) {
      count -= 8;
      decoded += static_cast<char>(bits >> count & 0xff);
    }
  }
  const size_t dollar = decoded.find('$');
  if (dollar == std::string::npos || dollar == 0) return std::nullopt;
  std::string domain = decoded.substr(0, dollar);
  const std::string id = decoded.substr(dollar + 1, decoded.find('$', dollar + 1) - dollar - 1);
  if (id.empty()) return std::nullopt;
  if (const size_t at = domain.find(':'); at != std::string::npos) {
    const auto number = parse_integer(domain.substr(at + 1));
    if (!number || *number < 1 || *number > 65535) return std::nullopt;
    port = *number;
    domain.resize(at);
  }
  return id + "." + domain;
}

std::optional<MadeOutput> make(const OptionTable<OpensearchOptions>& table, const Section& section,
                               OutputContext& context, Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  OpensearchOptions options = table.parse(section, diagnostics);
  Parsed parsed;
  if (options.index.text.find('$') != std::string::npos) {
    parsed.index = parse_template_option(options.index, diagnostics);
  } else if (options.index.text.find('%') == std::string::npos &&
             !is_index_name(options.index.text)) {
    diagnostics
        .error(options.index.where,
               fmt::format("\"{}\" cannot be the name of an index", options.index.text))
        .help("lower case, without \\ / * ? \" < > | , # : and blanks");
  }
  if (!options.logstash_prefix_key.text.empty()) {
    LocatedText key = options.logstash_prefix_key;
    if (key.text.find('$') == std::string::npos) key.text.insert(0, "$");
    parsed.prefix = parse_template_option(key, diagnostics);
  }
  parsed.id = parse_accessor_option(options.id_key, diagnostics);
  const bool update = options.write_operation == BulkOperation::Update ||
                      options.write_operation == BulkOperation::Upsert;
  if (update && !options.generate_id && options.id_key.text.empty()) {
    diagnostics.error(section.where_of("write_operation"),
                      "update and upsert need id_key or generate_id");
  }
  bool tls_default = false;
  if (!options.cloud_id.empty()) {
    options.port = 443;
    tls_default = true;
    if (const auto host = host_of_cloud_id(options.cloud_id, options.port)) {
      options.host = *host;
    } else {
      diagnostics.error(section.where_of("cloud_id"), "cloud_id is not what Elastic Cloud shows");
    }
  }
  if (!options.cloud_auth.empty()) {
    const size_t colon = options.cloud_auth.find(':');
    options.http_user = options.cloud_auth.substr(0, colon);
    options.http_passwd = colon == std::string::npos ? "" : options.cloud_auth.substr(colon + 1);
  }
  if (!options.upstream.empty()) {
    diagnostics.error(section.where_of("upstream"), "upstream is not supported by this output")
        .help("set host to a load balancer, or to one of the nodes");
  }
  HttpConnection connection = make_http_connection(section, options, tls_default, diagnostics);
  if (!options.http_api_key.empty()) {
    if (options.http_api_key.find_first_of("\r\n") != std::string::npos)
      diagnostics.error(section.where_of("http_api_key"), "http_api_key has a line end");
    connection.headers.set("Authorization", "ApiKey " + options.http_api_key);
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  // Nothing below needs them.
  options.http_passwd.clear();
  options.cloud_auth.clear();
  options.http_api_key.clear();

  const std::string index = options.logstash_format
                                ? options.logstash_prefix + options.logstash_prefix_separator +
                                      options.logstash_dateformat
                                : options.index.text;
  ItemOutputNames names{
      .destination = fmt::format("{} {}, index {}", table.name(), connection.base_url, index),
      .identity = http_identity(table.name(), connection, "/" + index)};
  return make_item_output(
      std::move(names),
      std::make_unique<BulkProtocol>(options, std::move(parsed), context.journal_id,
                                     HttpSender(std::move(connection), context.aws),
                                     "output:" + context.instance_name),
      context);
}

OptionTable<OpensearchOptions> make_table(const std::string& name, const std::string& summary) {
  using O = OpensearchOptions;
  OptionTable<O> made(name, summary);
  made.option("index", &O::index, "fluent-bit",
              "Index: a name, with record accessors ($TAG, $key), or with strftime's conversions "
              "(of the present).")
      .option("type", &O::type, "_doc", "Type of the documents, where the service knows types.")
      .option("suppress_type_name", &O::suppress_type_name, "off",
              "Send no type: OpenSearch 2 and Elasticsearch 8 refuse it.")
      .option("logstash_format", &O::logstash_format, "off", "Indexes by date: prefix-2026.11.23.")
      .option("logstash_prefix", &O::logstash_prefix, "logstash", "Their prefix.")
      .option("logstash_prefix_key", &O::logstash_prefix_key,
              "Accessor whose value is the prefix, where the record has it.")
      .option("logstash_prefix_separator", &O::logstash_prefix_separator, "-",
              "Between prefix and date.")
      .option("logstash_dateformat", &O::logstash_dateformat, "%Y.%m.%d", "The date, in UTC.")
      .option("time_key", &O::time_key, "@timestamp", "Key of the record's time.")
      .option("time_key_format", &O::time_key_format, "%Y-%m-%dT%H:%M:%S",
              "Its format; .123Z is added.")
      .option("time_key_nanos", &O::time_key_nanos, "off", "Add nanoseconds instead.")
      .option("include_tag_key", &O::include_tag_key, "off", "Add the tag to every document.")
      .option("tag_key", &O::tag_key, "flb-key", "Its key.")
      .option("path", &O::path, "Path in front of /_bulk.")
      .option("pipeline", &O::pipeline, "Ingest pipeline.")
      .option("generate_id", &O::generate_id, "off",
              "Give every document an id made from its place in the journal: sent twice, it is "
              "stored once.")
      .option("id_key", &O::id_key, "Accessor of the document's id.")
      .choice("write_operation", &O::write_operation, "create",
              {{"create", BulkOperation::Create},
               {"index", BulkOperation::Index},
               {"update", BulkOperation::Update},
               {"upsert", BulkOperation::Upsert}},
              "How documents are written; update and upsert need an id.")
      .option("replace_dots", &O::replace_dots, "off", "Put _ for every . in keys.")
      .option("current_time_index", &O::current_time_index, "off",
              "Use the present instead of the record's time.");
  add_http_options(made, {.host = "127.0.0.1", .port = "9200"});
  add_aws_auth_options(made, "aws_service_name", "es");
  made.ignored("buffer_size", "Answers are read up to 8 MiB.")
      .ignored("trace_output", "For diagnosis, run with log_level debug.")
      .ignored("trace_error", "What was refused is logged and kept as dead letters always.");
  return made;
}

}  // namespace

const OptionTable<OpensearchOptions>& opensearch_option_table() {
  static const auto table = make_table("opensearch", "Documents in OpenSearch.");
  return table;
}

const OptionTable<OpensearchOptions>& es_option_table() {
  using O = OpensearchOptions;
  static const auto table = [] {
    OptionTable<O> made = make_table("es", "Documents in Elasticsearch.");
    made.option("cloud_id", &O::cloud_id,
                "Elastic Cloud's id of the deployment: sets host, port, TLS.")
        .option("cloud_auth", &O::cloud_auth, "user:password for Elastic Cloud. Never printed.")
        .option("http_api_key", &O::http_api_key, "API key, in base64. Never printed.")
        .option("upstream", &O::upstream, "Not supported: an error.");
    return made;
  }();
  return table;
}

const OutputPlugin kOpensearchOutput = {
    .name = "opensearch",
    .aliases = {},
    .summary = "Documents in OpenSearch",
    .options = [] { return opensearch_option_table().options(); },
    .make =
        [](const Section& section, OutputContext& context, Diagnostics& diagnostics) {
          return make(opensearch_option_table(), section, context, diagnostics);
        },
};

const OutputPlugin kEsOutput = {
    .name = "es",
    .aliases = {},
    .summary = "Documents in Elasticsearch",
    .options = [] { return es_option_table().options(); },
    .make =
        [](const Section& section, OutputContext& context, Diagnostics& diagnostics) {
          return make(es_option_table(), section, context, diagnostics);
        },
};

}  // namespace noroshi
