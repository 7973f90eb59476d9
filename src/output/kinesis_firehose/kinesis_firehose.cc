#include "output/kinesis_firehose/kinesis_firehose.h"

#include <fmt/format.h>

#include "output/aws_records/aws_records_output.h"

namespace noroshi {
namespace {

constexpr AwsService kFirehose{.id = "FIREHOSE", .signing_name = "firehose"};
// API_PutRecordBatch, DeliveryStreamName.
constexpr size_t kStreamNameMax = 64;

class FirehoseProtocol final : public AwsRecordsProtocol {
 public:
  FirehoseProtocol(const KinesisFirehoseOptions& options, bool go_plugin,
                   const OutputContext& context, AwsRecordsSender::MakeClient make_client)
      : AwsRecordsProtocol(options,
                           {.service = {.target = "Firehose_20150804.PutRecordBatch",
                                        .entries = "RequestResponses",
                                        .accepted = "RecordId"},
                            .member = "DeliveryStreamName",
                            .name = options.delivery_stream},
                           options.append_newline.value_or(true), go_plugin, context,
                           std::move(make_client)) {}

  ItemLimits limits() const override {
    return {.items_max = firehose_limits::kRequestRecordsMax,
            .bytes_max = firehose_limits::kBatchBytesMax,
            .item_bytes_max = firehose_limits::kRecordBytesMax};
  }
  Encoded encode(const ChunkView& chunk, uint32_t index, std::string& out,
                 size_t last_item_bytes) override {
    const size_t before = out.size();
    if (!append_text(out, chunk, chunk.records[index])) return Encoded::NotEncodable;
    const size_t bytes = out.size() - before;
    const bool merges = aggregates() && last_item_bytes > 0 &&
                        last_item_bytes + bytes <= firehose_limits::kRecordBytesMax;
    return merges ? Encoded::Merged : Encoded::Appended;
  }

 private:
  void append_item(std::string& body, std::string_view item) override { append_data(body, item); }
};

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const KinesisFirehoseOptions options =
      kinesis_firehose_option_table().parse(section, diagnostics);
  check_stream_name(section, "delivery_stream", options.delivery_stream, kStreamNameMax,
                    "a delivery stream", diagnostics);
  std::string where;
  auto make_client =
      make_aws_records_client(section, options, kFirehose, context, where, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;

  return make_aws_records_output(
      "kinesis_firehose", options.delivery_stream, options,
      fmt::format("Firehose {}, {}", options.delivery_stream, where),
      std::make_unique<FirehoseProtocol>(options, section.plugin() == "firehose", context,
                                         std::move(make_client)),
      context);
}

}  // namespace

const OptionTable<KinesisFirehoseOptions>& kinesis_firehose_option_table() {
  using O = KinesisFirehoseOptions;
  static const auto table = [] {
    OptionTable<O> made("kinesis_firehose", "Amazon Data Firehose.");
    made.required("delivery_stream", &O::delivery_stream, "Name of the delivery stream.");
    add_aws_records_options(made);
    made.ignored("experimental_concurrency", "One request at a time keeps the order.")
        .ignored("experimental_concurrency_retries", "The delivery loop decides.");
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
