// Data Firehose and Kinesis Data Streams: the JSON 1.1 protocols over RecordsStore, with the limits
// of the API references. A Kinesis stream has one shard.
// https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html
// https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "localaws/aws_error.h"
#include "localaws/records_store.h"

namespace noroshi::localaws {

inline constexpr size_t kPutRecordsMax = 500;
inline constexpr size_t kFirehoseRecordBytesMax = 1000 << 10;  // decoded
inline constexpr size_t kFirehoseRequestBytesMax = 4 << 20;    // decoded
inline constexpr size_t kKinesisRecordBytesMax = 1 << 20;      // decoded, with the partition key
inline constexpr size_t kKinesisRequestBytesMax = 5 << 20;     // the same
inline constexpr size_t kPartitionKeyMax = 256;                // characters
// On the wire: base64 and the JSON around it.
inline constexpr size_t kRecordsBodyBytesMax = 16 << 20;

// Some records of a request are refused one by one, with status 200.
struct PartialFailure {
  std::string error = {};  // code
  std::string message = {};
  double share = 0.5;  // of the records, evenly spread, the first one among the taken
};

struct RecordsContext {
  RecordsStore& store;
  const Clock& clock;
  std::string account_id = {};
};

// `operation`: "PutRecordBatch". Gives the answer's JSON.
[[nodiscard]] Answer<std::string> run_records_operation(
    const RecordsContext& context, RecordsService service, std::string_view operation,
    std::string_view body, std::string_view region, const std::optional<PartialFailure>& partial);

}  // namespace noroshi::localaws
