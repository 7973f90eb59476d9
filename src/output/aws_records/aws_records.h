// What outputs to Firehose and Kinesis Data Streams share: their options, a log record as the bytes
// of a service record, and one signed request with its answer.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aws/aws_client.h"
#include "base/log.h"
#include "config/option_table.h"
#include "output/plugin.h"
#include "output/request/gzip.h"
#include "output/request/item_protocol.h"
#include "output/request/zstd_buffer.h"

namespace noroshi {

enum class RecordCompression { None, Gzip, Zlib, Zstd };

struct AwsRecordsOptions {
  std::string region, endpoint, role_arn, external_id, sts_endpoint, profile;
  std::string time_key, time_key_format;
  std::string log_key;
  std::string data_keys;
  std::string replace_dots;
  RecordCompression compression = RecordCompression::None;
  bool simple_aggregation = false;
  std::optional<bool> append_newline;
};

template <typename Options>
void add_aws_records_options(OptionTable<Options>& table) {
  using O = Options;
  const auto text = [](std::string AwsRecordsOptions::* member) {
    return static_cast<std::string O::*>(member);
  };
  table
      .option("region", text(&AwsRecordsOptions::region),
              "AWS region. Not set: AWS_REGION, AWS_DEFAULT_REGION, the profile, the task's or "
              "instance's metadata.")
      .option("log_key", text(&AwsRecordsOptions::log_key),
              "Send the value of this key instead of the whole record. A record without it is sent "
              "whole.")
      .option("data_keys", text(&AwsRecordsOptions::data_keys),
              "Send only these keys, separated by commas (Go plugins).")
      .option("time_key", text(&AwsRecordsOptions::time_key),
              "Add the record's time under this key; not together with log_key.")
      .option("time_key_format", text(&AwsRecordsOptions::time_key_format), "%Y-%m-%dT%H:%M:%S",
              "strftime's conversions in UTC; %3N %6N %9N for digits of the second; %L is nine, "
              "under the Go plugins' names three.")
      .option("replace_dots", text(&AwsRecordsOptions::replace_dots),
              "Put this in the place of dots in keys (Go plugins).")
      .choice("compression", static_cast<RecordCompression O::*>(&AwsRecordsOptions::compression),
              "none",
              {{"none", RecordCompression::None},
               {"gzip", RecordCompression::Gzip},
               {"zlib", RecordCompression::Zlib},
               {"zstd", RecordCompression::Zstd}},
              "Compress every service record by itself.")
      .option("simple_aggregation", static_cast<bool O::*>(&AwsRecordsOptions::simple_aggregation),
              "off",
              "Put as many log records into one service record as fit, a line each. Firehose bills "
              "in steps of 5 KB a record.")
      .option("append_newline",
              static_cast<std::optional<bool> O::*>(&AwsRecordsOptions::append_newline),
              "End every log record with a line end. Default: on; off under the Go plugin's name "
              "`kinesis`.")
      .option("endpoint", text(&AwsRecordsOptions::endpoint),
              "Host, host:port or URL (http:// too) instead of the region's; else "
              "AWS_ENDPOINT_URL_FIREHOSE or AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL.")
      .option("role_arn", text(&AwsRecordsOptions::role_arn),
              "Role to assume on top of the found credentials.")
      .option("external_id", text(&AwsRecordsOptions::external_id), "External id for that.")
      .option("sts_endpoint", text(&AwsRecordsOptions::sts_endpoint), "Where to assume it.")
      .option("profile", text(&AwsRecordsOptions::profile),
              "Profile of the AWS configuration files.")
      .ignored("auto_retry_requests", "Requests are repeated as the delivery loop decides.");
}

// A log record as text, under these options. One per output.
class RecordText {
 public:
  // `line_end`: whether every text ends with '\n'. `go_plugin`: how %L reads.
  RecordText(const AwsRecordsOptions& options, bool line_end, bool go_plugin);

  // Appends. False, and nothing appended, if the record is no well-formed map.
  [[nodiscard]] bool append(std::string& out, Timestamp time, std::string_view record);
  // Records that had no log_key so far (and were sent whole).
  [[nodiscard]] uint64_t log_key_missing() const { return log_key_missing_; }

 private:
  [[nodiscard]] bool rewrite(Timestamp time, std::string_view record);

  std::string log_key_, time_key_, time_key_format_, replace_dots_;
  std::vector<std::string> data_keys_;
  bool line_end_, go_plugin_;
  std::string rewritten_;
  uint64_t log_key_missing_ = 0;
};

// Compresses service records. One per output.
class RecordCompressor {
 public:
  explicit RecordCompressor(RecordCompression compression) : compression_(compression) {}
  // Valid until the next call.
  [[nodiscard]] std::string_view compress(std::string_view data);

 private:
  RecordCompression compression_;
  Gzip gzip_;
  ZstdBuffer zstd_;
};

// One request of a service that answers for each record.
class AwsRecordsSender {
 public:
  // Makes the client at the first send(): region and credentials may ask the network. `clock`
  // outlives the sender.
  using MakeClient = std::function<Result<std::unique_ptr<AwsClient>>()>;
  struct Service {
    std::string_view target;   // X-Amz-Target
    std::string_view entries;  // of the answer: parse_records_answer()
    std::string_view accepted;
  };
  AwsRecordsSender(Service service, const Clock& clock, MakeClient make_client);
  ~AwsRecordsSender();

  // `items`: what `body` holds, in its order.
  [[nodiscard]] RequestAnswer send(std::string_view body, std::span<const uint32_t> items,
                                   Monotonic deadline);

 private:
  Service service_;
  const Clock& clock_;
  MakeClient make_client_;
  std::unique_ptr<AwsClient> client_;
};

// Checks what both plugins check, and says how their client is made (context.aws outlives it).
// `destination` gets region and endpoint as the effective pipeline shows them.
[[nodiscard]] AwsRecordsSender::MakeClient make_aws_records_client(
    const Section& section, const AwsRecordsOptions& options, const AwsService& service,
    const OutputContext& context, std::string& destination, Diagnostics& diagnostics);

}  // namespace noroshi
