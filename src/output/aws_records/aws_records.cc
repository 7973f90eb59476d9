#include "output/aws_records/aws_records.h"

#include <fmt/format.h>

#include <algorithm>

#include "aws/region.h"
#include "config/split_list.h"
#include "output/aws_destination.h"
#include "output/aws_records/records_answer.h"
#include "output/request/http_answer.h"
#include "output/request/record_encoder.h"
#include "output/request/replace_dots.h"
#include "record/json_writer.h"
#include "record/map_pairs.h"
#include "record/msgpack_reader.h"
#include "record/msgpack_writer.h"
#include "record/record_accessor.h"

namespace noroshi {
namespace {

// One request; the whole attempt has longer.
constexpr Nanoseconds kRequestDeadline = Seconds(60);

}  // namespace

// ---- RecordText ---------------------------------------------------------------------------------

RecordText::RecordText(const AwsRecordsOptions& options, bool line_end, bool go_plugin)
    : log_key_(options.log_key),
      time_key_(options.time_key),
      time_key_format_(options.time_key_format),
      replace_dots_(options.replace_dots),
      data_keys_(split_list(options.data_keys)),
      line_end_(line_end),
      go_plugin_(go_plugin) {}

// The record with its keys chosen and renamed and its time added, in rewritten_.
bool RecordText::rewrite(Timestamp time, std::string_view record) {
  std::string chosen;
  MsgpackWriter writer(chosen);
  const size_t map = writer.begin_map();
  uint32_t count = 0;
  MapPairs pairs(record);
  for (MapPair pair; pairs.next(pair);) {
    if (!data_keys_.empty() && std::ranges::find(data_keys_, pair.name) == data_keys_.end())
      continue;
    writer.raw(pair.bytes());
    ++count;
  }
  if (!pairs.ok()) return false;
  if (!time_key_.empty()) {
    writer.string(time_key_);
    writer.string(format_time(time_key_format_, time, go_plugin_));
    ++count;
  }
  writer.end_map(map, count);
  if (!validate_msgpack(chosen)) return false;
  rewritten_.clear();
  if (replace_dots_.empty()) {
    rewritten_ = std::move(chosen);
  } else {
    append_with_dots_replaced(rewritten_, chosen, replace_dots_);
  }
  return true;
}

bool RecordText::append(std::string& out, Timestamp time, std::string_view record) {
  const size_t before = out.size();
  MsgpackReader reader(record);
  if (const auto type = reader.peek(); !type || *type != MsgpackType::Map) return false;
  std::optional<std::string_view> value;
  if (!log_key_.empty()) {
    value = find_key(record, log_key_);
    if (!value) ++log_key_missing_;
  }
  bool written = false;
  if (value) {
    written = append_value_text(out, *value);
  } else if (time_key_.empty() && data_keys_.empty() && replace_dots_.empty()) {
    written = write_json(out, record).has_value();
  } else {
    written = rewrite(time, record) && write_json(out, rewritten_).has_value();
  }
  if (!written) {
    out.resize(before);
    return false;
  }
  if (line_end_) out += '\n';
  // The services take no empty record.
  if (out.size() == before) out += '\n';
  return true;
}

// ---- RecordCompressor ---------------------------------------------------------------------------

std::string_view RecordCompressor::compress(std::string_view data) {
  switch (compression_) {
    case RecordCompression::None:
      return data;
    case RecordCompression::Gzip:
      return gzip_.compress_always(data);
    case RecordCompression::Zlib:
      return gzip_.compress_always(data, true);
    case RecordCompression::Zstd:
      break;
  }
  return zstd_.compress(data);
}

// ---- AwsRecordsSender ---------------------------------------------------------------------------

AwsRecordsSender::AwsRecordsSender(Service service, const Clock& clock, MakeClient make_client)
    : service_(service), clock_(clock), make_client_(std::move(make_client)) {}
AwsRecordsSender::~AwsRecordsSender() = default;

RequestAnswer AwsRecordsSender::send(std::string_view body, std::span<const uint32_t> items,
                                     Monotonic deadline) {
  if (!client_) {
    auto client = make_client_();
    if (!client) return RequestAnswer::retry(RetryClass::Auth, client.error().message);
    client_ = *std::move(client);
  }
  AwsRequest request;
  request.headers.set("Content-Type", "application/x-amz-json-1.1");
  request.headers.set("X-Amz-Target", service_.target);
  request.body = body;
  const auto answer =
      client_->call(request, std::min(deadline, clock_.monotonic() + kRequestDeadline));
  if (!answer) return classify_http_error(answer.error());
  if (!answer->ok()) {
    const AwsFault& fault = *answer->fault;
    RequestAnswer refused = RequestAnswer::retry(
        RetryClass::Auth, fmt::format("{}: {}", service_.target, fault.describe()));
    refused.retry_after = fault.retry_after;
    if (fault.status == 413) {
      refused.kind = RequestAnswer::Kind::TooLarge;
    } else if (fault.code == "InvalidArgumentException" || fault.code == "ValidationException" ||
               fault.code == "SerializationException") {
      refused.kind = RequestAnswer::Kind::Suspect;
    } else if (fault.kind == AwsFaultKind::Throttled) {
      refused.retry_class = RetryClass::Throttled;
    } else if (fault.kind == AwsFaultKind::Transient || fault.kind == AwsFaultKind::ClockSkew) {
      refused.retry_class = RetryClass::Transient;
    }
    return refused;
  }
  auto parsed = parse_records_answer(answer->response.body, service_.entries, service_.accepted,
                                     items.size());
  if (!parsed) {
    return RequestAnswer::retry(
        RetryClass::Transient,
        fmt::format("{}: HTTP {} that the service did not write (a proxy?): {}", service_.target,
                    answer->response.status, parsed.error().message));
  }
  RequestAnswer sorted = RequestAnswer::answered();
  for (const uint32_t failed : parsed->failed) sorted.again.push_back(items[failed]);
  if (!sorted.again.empty()) {
    sorted.retry_class = parsed->throttled ? RetryClass::Throttled : RetryClass::Transient;
    sorted.reason = fmt::format("{}: {} of {} records were not accepted: {}", service_.target,
                                sorted.again.size(), items.size(), parsed->reason);
  }
  return sorted;
}

AwsRecordsSender::MakeClient make_aws_records_client(
    const Section& section, const AwsRecordsOptions& options, const AwsService& service,
    const OutputContext& context, std::string& destination, Diagnostics& diagnostics) {
  if (!options.region.empty() && !is_region_name(options.region)) {
    diagnostics.error(section.where_of("region"),
                      fmt::format("\"{}\" is not the name of an AWS region", options.region));
  }
  for (const char* name : {"time_key", "data_keys", "replace_dots"}) {
    const bool set = (std::string_view(name) == "time_key"    ? !options.time_key.empty()
                      : std::string_view(name) == "data_keys" ? !options.data_keys.empty()
                                                              : !options.replace_dots.empty());
    if (set && !options.log_key.empty()) {
      diagnostics.warning(section.where_of(name),
                          fmt::format("{} has no effect on records that have log_key", name));
    }
  }
  AwsDestination aws =
      resolve_aws_destination(service, aws_settings_of(options), section, context.aws, diagnostics);
  if (aws.endpoint) destination = aws.to_string();
  return [service, settings = std::move(aws.settings), &environment = context.aws] {
    return make_aws_client(service, settings, environment);
  };
}

}  // namespace noroshi
