#include "output/kinesis_streams/kinesis_streams.h"

#include <fmt/format.h>

#include "base/fingerprint.h"
#include "config/accessor_option.h"
#include "output/aws_records/aws_records_output.h"
#include "output/kinesis_streams/kpl_aggregate.h"
#include "record/json_writer.h"
#include "record/record_accessor.h"
#include "record/utf8.h"

namespace noroshi {
namespace {

constexpr AwsService kKinesis{.id = "KINESIS", .signing_name = "kinesis"};
// API_PutRecords, StreamName.
constexpr size_t kStreamNameMax = 128;

// An item: the size of its partition key (two bytes, little endian), the key, the data; with
// `aggregation` the members of the aggregate that is made of them when they are sent.
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
        kpl_(options.aggregation),
        journal_id_(context.journal_id) {}

  ItemLimits limits() const override {
    return {.items_max = kinesis_limits::kRequestRecordsMax,
            .bytes_max = kinesis_limits::kBatchBytesMax,
            .item_bytes_max = item_bytes_max()};
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
        (kpl_ || aggregates()) && last_item_bytes > 0 && (!chosen || partition_key_of(last) == key);
    if (!may_merge) append_head(out, chosen ? key : derived_key(chunk.offset(index)));
    const size_t head = out.size() - before;
    if (!append_record(out, chunk, entry)) {
      out.resize(before);
      return Encoded::NotEncodable;
    }
    if (!may_merge) return Encoded::Appended;
    if (last_item_bytes + out.size() - before <= item_bytes_max()) return Encoded::Merged;
    std::string front;
    append_head(front, chosen ? key : derived_key(chunk.offset(index)));
    out.insert(before + head, front);
    return Encoded::Appended;
  }

 private:
  void append_item(std::string& body, std::string_view item) override {
    const std::string_view key = partition_key_of(item);
    const std::string_view data = item.substr(kKeySizeBytes + key.size());
    append_data(body, kpl_ ? kpl_aggregate(key, data) : data);
    body += R"(,"PartitionKey":)";
    write_json_string(body, key);
  }
  uint32_t item_bytes_max() const {
    constexpr size_t kOverhead = kpl_overhead({}) + kinesis_limits::kPartitionKeyMax;
    return kinesis_limits::kRecordBytesMax - (kpl_ ? kOverhead : 0);
  }
  bool append_record(std::string& out, const ChunkView& chunk, const RecordEntry& entry) {
    if (!kpl_) return append_text(out, chunk, entry);
    text_.clear();
    if (!append_text(text_, chunk, entry)) return false;
    append_aggregate_member(out, text_);
    return true;
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
  const bool kpl_;
  const std::string journal_id_;
  std::string text_;
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

void check_aggregation(const Section& section, const KinesisStreamsOptions& options,
                       Diagnostics& diagnostics) {
  const SourceLocation where = section.where_of("aggregation");
  if (options.simple_aggregation)
    diagnostics.error(where, "aggregation and simple_aggregation exclude each other");
  if (options.compression != RecordCompression::None) {
    diagnostics.error(where, "aggregation and compression exclude each other")
        .help("compression goes with simple_aggregation");
  }
  if (!can_make_kpl_aggregates())
    diagnostics.error(where, "aggregation needs MD5, which OpenSSL refuses");
}

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const KinesisStreamsOptions options = kinesis_streams_option_table().parse(section, diagnostics);
  check_stream_name(section, "stream", options.stream, kStreamNameMax, "a stream", diagnostics);
  if (options.aggregation) check_aggregation(section, options, diagnostics);
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
                "Put many log records into one as the Kinesis Producer Library does, for consumers "
                "that take them apart (Client Library, Lambda, Firehose). Only records of one "
                "partition key share one.")
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
