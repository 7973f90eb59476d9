#include "output/loki/loki.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "config/accessor_option.h"
#include "config/split_list.h"
#include "output/request/http_item_protocol.h"
#include "output/request/item_output.h"
#include "record/json_writer.h"
#include "record/map_pairs.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"
#include "record/record_accessor.h"
#include "record/valid_record.h"

namespace noroshi {
namespace {

// Loki's own limits are per tenant (distributor: max_line_size 256 KB, ingestion burst 6 MB).
constexpr uint32_t kBatchBytesMax = 1 << 20;

// `name=value`, `name=$accessor`, `$accessor`.
struct Label {
  std::string name = {};
  std::string value = {};  // where there is no accessor
  std::optional<RecordAccessor> accessor = {};
};

// Prometheus' label names: [a-zA-Z_][a-zA-Z0-9_]*.
std::string label_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (digit && name.empty()) name += '_';
    name += letter || digit ? c : '_';
  }
  return name;
}

// "$kubernetes['pod']" → "kubernetes_pod", as Fluent Bit names it.
std::string name_of_accessor(std::string_view text) {
  std::string name;
  bool separate = false;
  for (const char c : text.substr(text.starts_with('$') ? 1 : 0)) {
    if (c == '[' || c == ']' || c == '\'' || c == '"') {
      separate = !name.empty();
      continue;
    }
    if (separate) name += '_';
    separate = false;
    name += c;
  }
  return label_name(name);
}

struct LokiProtocolOptions {
  std::vector<Label> labels = {};
  std::vector<Label> metadata = {};
  std::vector<RecordAccessor> metadata_maps = {};
  std::vector<RecordAccessor> removed = {};
  std::optional<RecordAccessor> tenant_key = {};
  DropSingleKey drop_single_key = DropSingleKey::Off;
  LokiLineFormat line_format = LokiLineFormat::Json;
};

class LokiProtocol final : public HttpItemProtocol {
 public:
  LokiProtocol(LokiProtocolOptions options, HttpSender sender, std::string path)
      : HttpItemProtocol(std::move(sender), std::move(path)), options_(std::move(options)) {}

  ItemLimits limits() const override { return {.bytes_max = kBatchBytesMax}; }

  // A request belongs to one tenant.
  void group(const ChunkView& chunk, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups) override {
    if (!options_.tenant_key) return ItemProtocol::group(chunk, records, groups);
    tenants_.clear();
    for (const uint32_t index : records) {
      text_.clear();
      const auto value = options_.tenant_key->find(chunk.record(chunk.records[index]));
      if (value) static_cast<void>(append_value_text(text_, *value));
      if (text_.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) text_.clear();
      groups.push_back(tenants_.insert({text_, 0}).first->first);
    }
  }

  // An item: the time in 20 digits, the stream's labels as a JSON object, a line end (JSON has none
  // outside), the entry `["<time>","<line>"]`.
  Encoded encode(const ChunkView& chunk, uint32_t index, std::string& out, size_t) override {
    const RecordEntry& entry = chunk.records[index];
    const std::string_view record = chunk.record(entry);
    if (!is_valid_record(record)) return Encoded::NotEncodable;
    const int64_t time = std::max<int64_t>(0, entry.time.time_since_epoch().count());
    out += fmt::format("{:020}", time);
    write_pairs(out, options_.labels, record);
    out += '\n';
    out += fmt::format(R"(["{}",)", time);
    line_.clear();
    write_line(line_, without_removed(record));
    write_json_string(out, line_);
    if (!options_.metadata.empty() || !options_.metadata_maps.empty()) {
      out += ',';
      write_pairs(out, options_.metadata, record);
      out.pop_back();
      for (const RecordAccessor& accessor : options_.metadata_maps)
        write_map(out, accessor, record);
      out += '}';
    }
    out += ']';
    return Encoded::Appended;
  }

 protected:
  // {"streams":[{"stream":{labels},"values":[…]}]}: entries of a stream by their time.
  std::string_view body(ItemBatch& batch, std::span<const uint32_t> items) override {
    struct Entry {
      std::string_view time, labels, value;
    };
    std::vector<Entry> entries;
    for (const uint32_t item : items) {
      const std::string_view text = batch.item(item);
      const size_t end = text.find('\n');
      entries.push_back({text.substr(0, 20), text.substr(20, end - 20), text.substr(end + 1)});
    }
    // Items lie in the order of their arrival: entries of one time stay in it.
    const auto key = [](const Entry& entry) {
      return std::tuple(entry.labels, entry.time, entry.value.data());
    };
    std::ranges::sort(entries, {}, key);
    gathered_ = R"({"streams":[)";
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i == 0 || entries[i].labels != entries[i - 1].labels) {
        if (i > 0) gathered_ += "]},";
        gathered_.append(R"({"stream":)").append(entries[i].labels).append(R"(,"values":[)");
      } else {
        gathered_ += ',';
      }
      gathered_ += entries[i].value;
    }
    gathered_ += "]}]}";
    return gathered_;
  }
  void prepare(const ItemBatch& batch, HttpSender::Content& content) override {
    if (!batch.group().empty()) content.headers.set("X-Scope-OrgID", batch.group());
  }

 private:
  void write_pairs(std::string& out, const std::vector<Label>& labels, std::string_view record) {
    out += '{';
    for (const Label& label : labels) {
      text_ = label.value;
      if (label.accessor) {
        const auto value = label.accessor->find(record);
        if (!value || !append_value_text(text_, *value)) continue;
      }
      // Loki drops a label without a value.
      if (text_.empty()) continue;
      if (out.back() != '{') out += ',';
      write_json_string(out, label.name);
      out += ':';
      write_json_string(out, text_);
    }
    out += '}';
  }
  void write_map(std::string& out, const RecordAccessor& accessor, std::string_view record) {
    const auto map = accessor.find(record);
    if (!map) return;
    MapPairs pairs(*map);
    for (MapPair pair; pairs.next(pair);) {
      if (pair.name.empty()) continue;
      text_.clear();
      static_cast<void>(append_value_text(text_, pair.value));
      if (out.back() != '{') out += ',';
      write_json_string(out, label_name(pair.name));
      out += ':';
      write_json_string(out, text_);
    }
  }

  // The record without what became labels and what is to be removed; nested keys too.
  std::string_view without_removed(std::string_view record) {
    if (options_.removed.empty()) return record;
    std::vector<const char*> gone;
    for (const RecordAccessor& accessor : options_.removed) {
      if (const auto value = accessor.find(record)) gone.push_back(value->data());
    }
    if (gone.empty()) return record;
    kept_.clear();
    copy_without(record, gone);
    return kept_;
  }
  // A value is known by where it lies.
  void copy_without(std::string_view map, const std::vector<const char*>& gone) {
    MsgpackWriter writer(kept_);
    const size_t begin = writer.begin_map();
    uint32_t count = 0;
    MapPairs pairs(map);
    for (MapPair pair; pairs.next(pair);) {
      const char* const value = pair.value.data();
      if (std::ranges::find(gone, value) != gone.end()) continue;
      const bool inside = std::ranges::any_of(
          gone, [&](const char* one) { return one > value && one < value + pair.value.size(); });
      MsgpackReader reader(pair.value);
      ++count;
      if (inside && *reader.peek() == MsgpackType::Map) {
        kept_ += pair.key;
        copy_without(pair.value, gone);
      } else {
        kept_ += pair.bytes();
      }
    }
    writer.end_map(begin, count);
  }

  void write_line(std::string& out, std::string_view record) {
    MapPairs pairs(record);
    MapPair pair;
    if (options_.drop_single_key != DropSingleKey::Off && pairs.count() == 1 && pairs.next(pair)) {
      MsgpackReader reader(pair.value);
      const bool text = *reader.peek() == MsgpackType::String;
      if (text && (options_.drop_single_key == DropSingleKey::Raw ||
                   options_.line_format == LokiLineFormat::KeyValue)) {
        static_cast<void>(append_value_text(out, pair.value));
      } else {
        static_cast<void>(write_json(out, pair.value));
      }
      return;
    }
    if (options_.line_format == LokiLineFormat::Json) {
      static_cast<void>(write_json(out, record));
      return;
    }
    MapPairs all(record);
    while (all.next(pair)) {
      if (pair.name.data() == nullptr) continue;
      if (!out.empty()) out += ' ';
      out.append(pair.name) += '=';
      static_cast<void>(write_json(out, pair.value));
    }
  }

  const LokiProtocolOptions options_;
  std::map<std::string, int, std::less<>> tenants_;  // of the last call: addresses stay
  std::string text_, line_, kept_;
};

class LabelParser {
 public:
  LabelParser(std::vector<RecordAccessor>& removed, Diagnostics& diagnostics)
      : removed_(removed), diagnostics_(diagnostics) {}

  // `text`: a part of the option, not empty.
  std::optional<RecordAccessor> accessor(const LocatedText& option, std::string_view text) {
    return parse_accessor_option({option.name, std::string(text), option.where}, diagnostics_);
  }
  // `remove`: what becomes a label leaves the record.
  void add(std::vector<Label>& labels, const LocatedText& option, bool only_keys, bool remove) {
    for (const std::string_view word : split_list(option.text)) {
      const size_t equals = only_keys ? std::string_view::npos : word.find('=');
      Label label;
      std::string_view value = word;
      if (equals != std::string_view::npos) {
        label.name = label_name(trim(word.substr(0, equals)));
        value = trim(word.substr(equals + 1));
        label.value = value;
      } else if (!word.starts_with('$') && !only_keys) {
        diagnostics_.error(option.where, fmt::format("{}: \"{}\" is no label", option.name, word))
            .help("write name=value, name=$accessor or $accessor, with commas between them");
        continue;
      }
      if (equals == std::string_view::npos || value.starts_with('$')) {
        label.accessor = accessor(option, value);
        if (!label.accessor) continue;
        label.value.clear();
        if (label.name.empty()) label.name = name_of_accessor(value);
        if (remove) removed_.push_back(*label.accessor);
      }
      const bool twice =
          std::ranges::any_of(labels, [&](const Label& one) { return one.name == label.name; });
      if (twice) {
        diagnostics_.error(option.where,
                           fmt::format("{}: the label {} is set twice", option.name, label.name));
        continue;
      }
      labels.push_back(std::move(label));
    }
  }

 private:
  std::vector<RecordAccessor>& removed_;
  Diagnostics& diagnostics_;
};

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const LokiOptions options = loki_option_table().parse(section, diagnostics);
  HttpConnection connection = make_http_connection(section, options, false, diagnostics);
  LokiProtocolOptions protocol{.drop_single_key = options.drop_single_key,
                               .line_format = options.line_format};
  LabelParser parser(protocol.removed, diagnostics);
  parser.add(protocol.labels, options.labels, false, true);
  parser.add(protocol.labels, options.label_keys, true, true);
  if (protocol.labels.empty()) protocol.labels.push_back({.name = "job", .value = "fluent-bit"});
  parser.add(protocol.metadata, options.structured_metadata, false, true);
  for (const std::string_view word : split_list(options.structured_metadata_map_keys.text)) {
    if (auto map = parser.accessor(options.structured_metadata_map_keys, word)) {
      protocol.removed.push_back(*map);
      protocol.metadata_maps.push_back(*std::move(map));
    }
  }
  for (const std::string_view word : split_list(options.remove_keys.text)) {
    if (auto key = parser.accessor(options.remove_keys, word))
      protocol.removed.push_back(*std::move(key));
  }
  if (!options.tenant_id_key.text.empty())
    protocol.tenant_key = parser.accessor(options.tenant_id_key, options.tenant_id_key.text);
  if (options.tenant_id.find_first_of("\r\n") != std::string::npos)
    diagnostics.error(section.where_of("tenant_id"), "tenant_id has a line end");
  if (!options.label_map_path.empty()) {
    diagnostics.error(section.where_of("label_map_path"), "label_map_path is not supported")
        .help("write the labels as `labels name=$a['b'],other=$c`");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  if (!options.tenant_id.empty()) connection.headers.set("X-Scope-OrgID", options.tenant_id);
  const std::string path = absolute_path(options.uri);
  ItemOutputNames names{.destination = fmt::format("Loki {}{}", connection.base_url, path),
                        .identity = http_identity("loki", connection, path + options.tenant_id)};
  return make_item_output(
      std::move(names),
      std::make_unique<LokiProtocol>(std::move(protocol),
                                     HttpSender(std::move(connection), context.aws), path),
      context);
}

}  // namespace

const OptionTable<LokiOptions>& loki_option_table() {
  using O = LokiOptions;
  static const auto table = [] {
    OptionTable<O> made("loki", "The push API of Grafana Loki.");
    made.option("uri", &O::uri, "/loki/api/v1/push", "Path.")
        .option("tenant_id", &O::tenant_id, "Header X-Scope-OrgID.")
        .option("tenant_id_key", &O::tenant_id_key,
                "Accessor of the tenant; where it is missing tenant_id holds.")
        .option("labels", &O::labels,
                "name=value, name=$accessor, $accessor, with commas between them. No label at all: "
                "job=fluent-bit.")
        .option("label_keys", &O::label_keys, "Accessors that become labels.")
        .option("structured_metadata", &O::structured_metadata, "The same for structured metadata.")
        .option("structured_metadata_map_keys", &O::structured_metadata_map_keys,
                "Accessors of maps whose pairs become structured metadata.")
        .option("remove_keys", &O::remove_keys, "Accessors that leave the record.")
        .choice("drop_single_key", &O::drop_single_key, "off",
                {{"off", DropSingleKey::Off},
                 {"false", DropSingleKey::Off},
                 {"on", DropSingleKey::On},
                 {"true", DropSingleKey::On},
                 {"raw", DropSingleKey::Raw}},
                "A record of one key is sent as its value; raw: a string without quotes.")
        .choice("line_format", &O::line_format, "json",
                {{"json", LokiLineFormat::Json}, {"key_value", LokiLineFormat::KeyValue}},
                "The line: the record as JSON, or key=value with blanks between them.")
        .option("label_map_path", &O::label_map_path, "Not supported: an error.");
    add_http_options(made, {.host = "127.0.0.1", .port = "3100"});
    made.option("bearer_token", static_cast<std::string O::*>(&O::bearer_token),
                "Authorization: Bearer. Never printed.")
        .ignored("auto_kubernetes_labels", "There is no Kubernetes metadata in ECS.")
        .ignored("tenant_id_key_error_handling",
                 "Every tenant's records are delivered for themselves.")
        .ignored("buffer_size", "Answers are read up to 1 MiB.");
    return made;
  }();
  return table;
}

const OutputPlugin kLokiOutput = {
    .name = "loki",
    .aliases = {},
    .summary = "The push API of Grafana Loki",
    .options = [] { return loki_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
