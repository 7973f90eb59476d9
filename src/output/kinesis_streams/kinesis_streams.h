// Output kinesis_streams: Amazon Kinesis Data Streams. README.md is its manual.
#pragma once

#include <string>

#include "output/aws_records/aws_records.h"
#include "output/plugin.h"

namespace noroshi {

struct KinesisStreamsOptions : AwsRecordsOptions {
  std::string stream;
  LocatedText partition_key;
  bool aggregation = false;
};

// API_PutRecords (Kinesis Data Streams, 2026): 500 records and 10 MiB a request, keys included; a
// record of 10 MiB where the stream was told so (UpdateMaxRecordSize), else of 1 MiB. Requests stay
// below the older limit of 5 MiB.
namespace kinesis_limits {
inline constexpr uint32_t kRequestRecordsMax = 500;
inline constexpr uint32_t kRequestBytesMax = 5 << 20;
inline constexpr uint32_t kRecordBytesMax = 1 << 20;  // partition key included
inline constexpr uint32_t kPartitionKeyMax = 256;     // characters
// Of a batch in memory.
inline constexpr uint32_t kBatchBytesMax = 2 << 20;
static_assert(kBatchBytesMax + kRecordBytesMax <= kRequestBytesMax);
}  // namespace kinesis_limits

[[nodiscard]] const OptionTable<KinesisStreamsOptions>& kinesis_streams_option_table();

extern const OutputPlugin kKinesisStreamsOutput;

}  // namespace noroshi
