// The Kinesis Producer Library's aggregated records: many records with one partition key as one
// record of the stream, which the Kinesis Client Library, Lambda's helpers and Firehose take apart
// again (amazon-kinesis-producer, aggregation-format.md):
//
//   F3 89 9A C2 | AggregatedRecord (protobuf): {1: partition key}  {3: {1: 0, 3: data}} … | MD5
//
// With one key in it the record lies in that key's shard; the Client Library drops what does not.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace noroshi {

// Appends one record as it stands in an aggregate.
void append_aggregate_member(std::string& out, std::string_view data);

// The whole: `members` is what append_aggregate_member() wrote, once or several times.
[[nodiscard]] std::string kpl_aggregate(std::string_view partition_key, std::string_view members);

// False where OpenSSL refuses MD5 (FIPS): then there are none.
[[nodiscard]] bool can_make_kpl_aggregates();

// Bytes of the whole beyond those of its members, at most.
[[nodiscard]] constexpr size_t kpl_overhead(std::string_view partition_key) {
  return 4 + 1 + 5 + partition_key.size() + 16;
}

}  // namespace noroshi
