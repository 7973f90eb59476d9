#include "output/kinesis_streams/kinesis_streams.h"

#include <fmt/format.h>

#include "base/fingerprint.h"
#include "config/accessor_option.h"
#include "output/aws_records/aws_records_output.h"
#include "record/json_writer.h"
#include "record/record_accessor.h"
#include "record/utf8.h"

namespace noroshi {
namespace {

constexpr AwsService kKinesis{.id = "KINESIS", .signing_name = "kinesis"};
// API_PutRecords, StreamName.
constexpr size_t kStreamNameMax = 128;

// An item: the size of its partition key (two bytes, little endian), the key, the data.
constexpr size_t kKeySizeBytes = 2;

std::string_view partition_key_of(std::string_view item) {
  const size_t size = static_cast<unsigned char>(item[0]) |
                      static_cast<size_t>(static_cast<unsigned char>(item[1])) << 8;
  return item.substr(kKeySizeBytes, size);
}

// At most kPartitionKeyMax bytes of valid UTF-8, which is never more characters than allowed.
std::string valid_partition_key(std::string_view text) {
  std::string key;
  while (!text.empty()) {
    const Utf8Sequence sequence = read_utf8(text.data(), text.size());
    if (sequence.valid) {
      if (key.size() + sequence.bytes > kinesis_limits::kPartitionKeyMax) break;
      key += text.substr(0, sequence.bytes);
    }
    text.remove_prefix(sequence.bytes);
  }
  return key;
}

class KinesisProtocol final : public AwsRecordsProtocol {
 public:
  KinesisProtocol(const KinesisStreamsOptions& options, std::optional<RecordAccessor> partition_key,
                  bool go_plugin, const OutputContext& context,
                  AwsRecordsSender::MakeClient make_client)
      : AwsRecordsProtocol(
            options,
            {.service = {.target = "Kinesis_20131202.PutRecords",
                         .entries = "Records",
                         .accepted = "SequenceNumber"},
             .member = "StreamName",
             .name = options.stream},
            options.append_newline.value_or(!go_plugin) || options.simple_aggregation, go_plugin,
            context, std::move(make_client)),
        partition_key_(std::move(partition_key)),
        journal_id_(context.journal_id) {}

  ItemLimits limits() const override {
    return {.items_max = kinesis_limits::kRequestRecordsMax,
            .bytes_max = kinesis_limits::kBatchBytesMax,
            .item_bytes_max = kinesis_limits::kRecordBytesMax};
  }

  Encoded encode(const ChunkView& chunk, uint32_t index, std::string& out,
                 size_t last_item_bytes) override {
    const RecordEntry& entry = chunk.records[index];
    const size_t before = out.size();
    std::string key;
    if (partition_key_) {
      if (const auto value = partition_key_->find(chunk.record(entry))) {
        std::string text;
        if (append_value_text(text, *value)) key = valid_partition_key(text);
      }
    }
    const bool chosen = !key.empty();
    // Without a key of its own a record may join whatever is there.
    const std::string_view last = std::string_view(out).substr(before - last_item_bytes);
    const bool may_merge =
        aggregates() && last_item_bytes > 0 && (!chosen || partition_key_of(last) == key);
    if (!may_merge) append_head(out, chosen ? key : derived_key(chunk.offset(index)));
    const size_t head = out.size() - before;
    if (!append_text(out, chunk, entry)) {
      out.resize(before);
      return Encoded::NotEncodable;
    }
    if (!may_merge) return Encoded::Appended;
    if (last_item_bytes + out.size() - before <= kinesis_limits::kRecordBytesMax)
      return Encoded::Merged;
    std::string front;
    append_head(front, chosen ? key : derived_key(chunk.offset(index)));
    out.insert(before + head, front);
    return Encoded::Appended;
  }

 private:
  void append_item(std::string& body, std::string_view item) override {
    const std::string_view key = partition_key_of(item);
    append_data(body, item.substr(kKeySizeBytes + key.size()));
    body += R"(,"PartitionKey":)";
    write_json_string(body, key);
  }
  static void append_head(std::string& out, std::string_view key) {
    out += static_cast<char>(key.size() & 0xff);
    out += static_cast<char>(key.size() >> 8);
    out += key;
  }
  // Spreads records over all shards, and is the same whenever the record is sent again.
  std::string derived_key(Offset offset) const {
    Fingerprint fingerprint;
    fingerprint.add(journal_id_);
    fingerprint.add(fmt::format(":{}", offset.value));
    return fmt::format("{:016x}", fingerprint.value());
  }

  const std::optional<RecordAccessor> partition_key_;
  const std::string journal_id_;
};

// "container_id", "$kubernetes['pod']", or the Go plugin's "kubernetes->pod".
std::optional<RecordAccessor> parse_partition_key(const LocatedText& option,
                                                  Diagnostics& diagnostics) {
  std::string_view text = option.text;
  if (text.empty()) return std::nullopt;
  std::string accessor;
  if (text.find("->") == std::string_view::npos) {
    accessor = text;
  } else {
    for (bool first = true; !text.empty(); first = false) {
      const size_t arrow = text.find("->");
      const std::string_view part = text.substr(0, arrow);
      accessor += first ? fmt::format("${}", part) : fmt::format("['{}']", part);
      text = arrow == std::string_view::npos ? std::string_view() : text.substr(arrow + 2);
    }
  }
  return parse_accessor_option({option.name, std::move(accessor), option.where}, diagnostics);
}

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const KinesisStreamsOptions options = kinesis_streams_option_table().parse(section, diagnostics);
  check_stream_name(section, "stream", options.stream, kStreamNameMax, "a stream", diagnostics);
  if (options.aggregation) {
    diagnostics
        .error(section.where_of("aggregation"),
               "records in the KPL's aggregated format are not written")
        .help("simple_aggregation puts many records into one as lines, which every consumer reads");
  }
  auto partition_key = parse_partition_key(options.partition_key, diagnostics);
  std::string where;
  auto make_client =
      make_aws_records_client(section, options, kKinesis, context, where, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;

  return make_aws_records_output(
      "kinesis_streams", options.stream, options,
      fmt::format("Kinesis {}, {}", options.stream, where),
      std::make_unique<KinesisProtocol>(options, std::move(partition_key),
                                        section.plugin() == "kinesis", context,
                                        std::move(make_client)),
      context);
}

}  // namespace

const OptionTable<KinesisStreamsOptions>& kinesis_streams_option_table() {
  using O = KinesisStreamsOptions;
  static const auto table = [] {
    OptionTable<O> made("kinesis_streams", "Amazon Kinesis Data Streams.");
    made.required("stream", &O::stream, "Name of the stream.")
        .option("partition_key", &O::partition_key,
                "Key of the record whose value decides the shard ($a['b'], or the Go plugin's "
                "a->b). Not set, or missing in a record: spread evenly.");
    add_aws_records_options(made);
    made.option("aggregation", &O::aggregation, "off",
                "Aggregation as the KPL writes it (Go plugin): not supported, on is an error.")
        .ignored("experimental_concurrency", "One request at a time keeps the order.")
        .ignored("experimental_concurrency_retries", "The delivery loop decides.")
        .ignored("http_request_timeout", "Every request has a deadline of 60 s.");
    return made;
  }();
  return table;
}

const OutputPlugin kKinesisStreamsOutput = {
    .name = "kinesis_streams",
    .aliases = {"kinesis"},
    .summary = "Amazon Kinesis Data Streams",
    .options = [] { return kinesis_streams_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
