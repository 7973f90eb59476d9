#include "output/datadog/datadog.h"

#include <fmt/format.h>

#include <array>

#include "output/request/http_item_protocol.h"
#include "output/request/item_output.h"
#include "output/request/key_text.h"
#include "record/json_writer.h"
#include "record/map_pairs.h"
#include "record/msgpack_reader.h"
#include "record/valid_record.h"

namespace noroshi {
namespace {

void add_tag(std::string& tags, std::string_view name, std::string_view value) {
  if (!tags.empty()) tags += ',';
  tags.append(name).append(":").append(value);
}

// FireLens' own keys as tags, as Fluent Bit's `provider ecs` makes them
// (plugins/out_datadog/datadog_remap.c). False: the key is none of them.
bool add_ecs_tag(std::string& tags, std::string_view key, std::string_view value) {
  if (value.empty()) return false;
  const auto behind = [&](std::string_view mark) {
    const size_t at = value.find(mark);
    return at == std::string_view::npos ? value : value.substr(at + mark.size());
  };
  if (key == "container_id" || key == "container_image") {
    add_tag(tags, key, value);
  } else if (key == "container_name") {
    add_tag(tags, key, value.substr(value[0] == '/' ? 1 : 0));
  } else if (key == "ecs_cluster") {
    add_tag(tags, "cluster_name", behind("cluster/"));
  } else if (key == "ecs_task_definition") {
    const size_t colon = value.find(':');
    if (colon == std::string_view::npos) {
      add_tag(tags, key, value);
    } else {
      add_tag(tags, "task_family", value.substr(0, colon));
      add_tag(tags, "task_version", value.substr(colon + 1));
    }
  } else if (key == "ecs_task_arn") {
    add_tag(tags, "task_arn", value);
    constexpr std::string_view kArn = "arn:aws:ecs:";
    if (value.starts_with(kArn)) {
      const std::string_view rest = value.substr(kArn.size());
      if (const size_t colon = rest.find(':'); colon != std::string_view::npos)
        add_tag(tags, "region", rest.substr(0, colon));
    }
    add_tag(tags, "task_id", behind("task/"));
  } else {
    return false;
  }
  return true;
}

class DatadogProtocol final : public HttpItemProtocol {
 public:
  DatadogProtocol(const DatadogOptions& options, HttpSender sender)
      : HttpItemProtocol(std::move(sender), "/api/v2/logs"),
        options_(options),
        ecs_(options.provider == "ecs") {}

  ItemLimits limits() const override {
    return {.items_max = datadog_limits::kRequestRecordsMax,
            .bytes_max = datadog_limits::kBatchBytesMax,
            .item_bytes_max = datadog_limits::kRecordBytesMax};
  }
  ItemFraming framing() const override {
    return {.opening = "[", .separator = ",", .closing = "]"};
  }

  Encoded encode(const ChunkView& chunk, uint32_t index, std::string& out, size_t) override {
    const RecordEntry& entry = chunk.records[index];
    const std::string_view record = chunk.record(entry);
    if (!is_valid_record(record)) return Encoded::NotEncodable;
    out += '{';
    write_json_string(out, options_.json_date_key);
    out +=
        fmt::format(":{}", std::chrono::floor<Milliseconds>(entry.time.time_since_epoch()).count());
    if (options_.include_tag_key) add(out, options_.tag_key, chunk.tag);
    if (!options_.dd_source.empty()) add(out, "ddsource", options_.dd_source);
    if (!options_.dd_service.empty()) add(out, "service", options_.dd_service);
    if (!options_.dd_hostname.empty()) add(out, "hostname", options_.dd_hostname);
    tags_.clear();
    MapPairs pairs(record);
    for (MapPair pair; pairs.next(pair);) {
      if (ecs_) {
        MsgpackReader value(pair.value);
        if (const auto text = value.read_string(); text && add_ecs_tag(tags_, pair.name, *text))
          continue;
      }
      out += ',';
      const std::string_view name = key_text(pair, text_);
      write_json_string(out, name == options_.dd_message_key ? "message" : name);
      out += ':';
      static_cast<void>(write_json(out, pair.value));  // was validated
    }
    if (!options_.dd_tags.empty()) {
      if (!tags_.empty()) tags_ += ',';
      tags_ += options_.dd_tags;
    }
    if (!tags_.empty()) add(out, "ddtags", tags_);
    out += '}';
    return Encoded::Appended;
  }

 private:
  static void add(std::string& out, std::string_view key, std::string_view value) {
    out += ',';
    write_json_string(out, key);
    out += ':';
    write_json_string(out, value);
  }

  const DatadogOptions options_;
  const bool ecs_;
  std::string tags_, text_;
};

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  DatadogOptions options = datadog_option_table().parse(section, diagnostics);
  if (!options.site.empty() && section.find("host") == nullptr)
    options.host = "http-intake.logs." + options.site;
  HttpConnection connection = make_http_connection(section, options, true, diagnostics);
  if (options.apikey.find_first_of("\r\n") != std::string::npos)
    diagnostics.error(section.where_of("apikey"), "the API key has a line end");
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  connection.headers.set("DD-API-KEY", options.apikey);
  connection.headers.set("DD-EVP-ORIGIN", "noroshi");
  connection.headers.set("DD-EVP-ORIGIN-VERSION", NOROSHI_VERSION);
  options.apikey.clear();
  ItemOutputNames names{.destination = "Datadog " + connection.base_url,
                        .identity = http_identity("datadog", connection, options.dd_service)};
  return make_item_output(
      std::move(names),
      std::make_unique<DatadogProtocol>(options, HttpSender(std::move(connection), context.aws)),
      context);
}

}  // namespace

const OptionTable<DatadogOptions>& datadog_option_table() {
  using O = DatadogOptions;
  static const auto table = [] {
    OptionTable<O> made("datadog", "The log intake of Datadog.");
    made.required("apikey", &O::apikey, "API key. Never printed.")
        .option("dd_service", &O::dd_service, "Service of every record.")
        .option("dd_source", &O::dd_source, "Source: the technology that wrote it.")
        .option("dd_tags", &O::dd_tags, "Tags of every record: a:b,c:d.")
        .option("dd_hostname", &O::dd_hostname, "Host of every record.")
        .option("dd_message_key", &O::dd_message_key, "log", "Key that becomes `message`.")
        .choice("provider", &O::provider, "", {"ecs"},
                "ecs: FireLens' keys (container_id, ecs_cluster …) become tags.")
        .option("json_date_key", &O::json_date_key, "timestamp", "Key of the time.")
        .option("include_tag_key", &O::include_tag_key, "off", "Add the tag to every record.")
        .option("tag_key", &O::tag_key, "tagkey", "Its key.")
        .option("site", &O::site,
                "datadoghq.eu, us5.datadoghq.com …: sets the host. noroshi's own.");
    add_http_options(made, {.host = "http-intake.logs.datadoghq.com", .port = "443"});
    return made;
  }();
  return table;
}

const OutputPlugin kDatadogOutput = {
    .name = "datadog",
    .aliases = {},
    .summary = "The log intake of Datadog",
    .options = [] { return datadog_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
