// Output kinesis_firehose: Amazon Data Firehose. README.md is its manual.
#pragma once

#include <string>

#include "output/aws_records/aws_records.h"
#include "output/plugin.h"

namespace noroshi {

struct KinesisFirehoseOptions : AwsRecordsOptions {
  std::string delivery_stream;
};

// API_PutRecordBatch (Amazon Data Firehose, 2026): 500 records and 4 MiB a request; a record of
// 1,000 KiB before base64.
namespace firehose_limits {
inline constexpr uint32_t kRequestRecordsMax = 500;
inline constexpr uint32_t kRequestBytesMax = 4 << 20;
inline constexpr uint32_t kRecordBytesMax = 1000 << 10;
// Of a batch in memory; requests of 1 MiB cost no more than those of 4.
inline constexpr uint32_t kBatchBytesMax = 2 << 20;
static_assert(kBatchBytesMax + kRecordBytesMax <= kRequestBytesMax);
}  // namespace firehose_limits

[[nodiscard]] const OptionTable<KinesisFirehoseOptions>& kinesis_firehose_option_table();

extern const OutputPlugin kKinesisFirehoseOutput;

}  // namespace noroshi
