// CloudWatch Logs: the JSON 1.1 protocol over LogsStore, with every limit of the API reference.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "localaws/aws_error.h"
#include "localaws/logs_store.h"
#include "net/http_server.h"

namespace noroshi::localaws {

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
inline constexpr size_t kPutBytesMax = 1'048'576;  // messages + kEventOverhead each
inline constexpr size_t kEventOverhead = 26;
inline constexpr size_t kPutEventsMax = 10'000;
inline constexpr int64_t kMillisPerHour = 3'600'000;
inline constexpr int64_t kPutSpanMax = 24 * kMillisPerHour;
inline constexpr int64_t kTooOld = 14 * 24 * kMillisPerHour;
inline constexpr int64_t kTooNew = 2 * kMillisPerHour;

// On the wire: a full batch with every byte escaped as \uXXXX, and the JSON around it.
inline constexpr size_t kLogsBodyBytesMax = 8 << 20;

struct LogsContext {
  LogsStore& store;
  const Clock& clock;
  std::string account_id = {};
};

// `operation`: after "Logs_20140328."; `body`: JSON, already decompressed. Gives the answer's JSON.
[[nodiscard]] Answer<std::string> run_logs_operation(const LogsContext& context,
                                                     std::string_view operation,
                                                     std::string_view body,
                                                     std::string_view region);

// "Content-Encoding: gzip" undone. SerializationException if it is not gzip or grows over
// kLogsBodyBytesMax.
[[nodiscard]] Answer<std::string> gunzip(std::string_view bytes);

[[nodiscard]] ServerResponse logs_response(std::string body, std::string_view request_id);
[[nodiscard]] ServerResponse logs_error(const AwsError& error, std::string_view request_id);

}  // namespace noroshi::localaws
