#include "output/kinesis_firehose/kinesis_firehose.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.h"
#include "output/request/item_output.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

constexpr AwsService kFirehose{.id = "FIREHOSE", .signing_name = "firehose"};
// API_PutRecordBatch, DeliveryStreamName.
constexpr size_t kStreamNameMax = 64;

class FirehoseProtocol final : public ItemProtocol {
 public:
  FirehoseProtocol(const KinesisFirehoseOptions& options, bool go_plugin, std::string component,
                   const Clock& clock, AwsRecordsSender::MakeClient make_client)
      : options_(options),
        component_(std::move(component)),
        text_(options, options.append_newline.value_or(true), go_plugin),
        compressor_(options.compression),
        sender_({.target = "Firehose_20150804.PutRecordBatch",
                 .entries = "RequestResponses",
                 .accepted = "RecordId"},
                clock, std::move(make_client)) {}

  ItemLimits limits() const override {
    return {.items_max = firehose_limits::kRequestRecordsMax,
            .bytes_max = firehose_limits::kBatchBytesMax,
            .item_bytes_max = firehose_limits::kRecordBytesMax};
  }
  Encoded encode(const ChunkView& chunk, uint32_t index, std::string& out,
                 size_t last_item_bytes) override {
    const RecordEntry& entry = chunk.records[index];
    const size_t before = out.size();
    const uint64_t missing = text_.log_key_missing();
    if (!text_.append(out, entry.time, chunk.record(entry))) return Encoded::NotEncodable;
    if (text_.log_key_missing() != missing) note_missing_log_key();
    const size_t bytes = out.size() - before;
    const bool merges = options_.simple_aggregation && last_item_bytes > 0 &&
                        last_item_bytes + bytes <= firehose_limits::kRecordBytesMax;
    return merges ? Encoded::Merged : Encoded::Appended;
  }
  RequestAnswer send(ItemBatch& batch, std::span<const uint32_t> items,
                     Monotonic deadline) override {
    body_ = R"({"DeliveryStreamName":)";
    write_json_string(body_, options_.delivery_stream);
    body_ += R"(,"Records":[)";
    for (const uint32_t item : items) {
      body_ += R"({"Data":")";
      append_base64(body_, compressor_.compress(batch.item(item)));
      body_ += R"("},)";
    }
    body_.back() = ']';
    body_ += '}';
    return sender_.send(body_, items, deadline);
  }
  void start(OutputMetrics& metrics) override { metrics_ = &metrics; }

 private:
  void note_missing_log_key() {
    if (metrics_ != nullptr) metrics_->log_key_missing.add();
    if (const auto times = missing_.admit()) {
      log_warn(component_, "records without log_key \"{}\" are sent whole as JSON ({} times)",
               options_.log_key, times);
    }
  }

  const KinesisFirehoseOptions options_;
  const std::string component_;
  RecordText text_;
  RecordCompressor compressor_;
  AwsRecordsSender sender_;
  OutputMetrics* metrics_ = nullptr;
  LogEpisode missing_{Seconds(3600)};
  std::string body_;
};

bool is_stream_name(std::string_view name) {
  return !name.empty() && name.size() <= kStreamNameMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
}

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const KinesisFirehoseOptions options =
      kinesis_firehose_option_table().parse(section, diagnostics);
  if (!options.delivery_stream.empty() && !is_stream_name(options.delivery_stream)) {
    diagnostics.error(section.where_of("delivery_stream"),
                      fmt::format("\"{}\" cannot be the name of a delivery stream: 1 to {} "
                                  "characters of a-z A-Z 0-9 _ . -",
                                  options.delivery_stream, kStreamNameMax));
  }
  std::string where;
  AwsSettings settings =
      make_aws_records_settings(section, options, kFirehose, context, where, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;

  const bool go_plugin = section.plugin() == "firehose";
  MadeOutput made;
  made.destination = fmt::format("Firehose {}, {}", options.delivery_stream, where);
  if (!options.log_key.empty()) made.log_key = options.log_key;
  made.output =
      make_item_output({.identity = fmt::format("kinesis_firehose:{}:{}:{}", options.region,
                                                options.endpoint, options.delivery_stream),
                        .request_interval = context.flush.value_or(Seconds(1))},
                       std::make_unique<FirehoseProtocol>(
                           options, go_plugin, "output:" + context.instance_name, context.clock,
                           [settings = std::move(settings), &environment = context.aws] {
                             return make_aws_client(kFirehose, settings, environment);
                           }),
                       context.clock);
  return made;
}

}  // namespace

const OptionTable<KinesisFirehoseOptions>& kinesis_firehose_option_table() {
  using O = KinesisFirehoseOptions;
  static const auto table = [] {
    OptionTable<O> made("kinesis_firehose", "Amazon Data Firehose.");
    made.required("delivery_stream", &O::delivery_stream, "Name of the delivery stream.");
    add_aws_records_options(made);
    return made;
  }();
  return table;
}

const OutputPlugin kKinesisFirehoseOutput = {
    .name = "kinesis_firehose",
    .aliases = {"firehose"},
    .summary = "Amazon Data Firehose",
    .options = [] { return kinesis_firehose_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
