// The answers of Firehose's PutRecordBatch and Kinesis' PutRecords: one entry for each record, in
// the order of the request. The bytes come from the network, so every field may be missing, of
// another type, or absurd.
//
// Source: API_PutRecordBatch (Amazon Data Firehose), API_PutRecords (Amazon Kinesis Data Streams).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace noroshi {

struct RecordsAnswer {
  // Indexes of the records that were not accepted, ascending.
  std::vector<uint32_t> failed = {};
  bool throttled = false;   // at least one of them for its stream's throughput
  std::string reason = {};  // of the first of them: "ServiceUnavailableException: Slow down."
};

// `entries`: the name of the array ("RequestResponses", "Records"). Corrupt unless it holds exactly
// `count` objects, each with an ErrorCode or the sign of success `accepted` ("RecordId",
// "SequenceNumber"): a 200 that the service did not write must not count as delivered.
[[nodiscard]] Result<RecordsAnswer> parse_records_answer(std::string_view body,
                                                         std::string_view entries,
                                                         std::string_view accepted, size_t count);

}  // namespace noroshi
