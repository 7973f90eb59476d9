#include "output/aws_records/aws_records_output.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.h"
#include "config/diagnostics.h"
#include "config/document.h"
#include "output/request/item_output.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

bool is_stream_name(std::string_view name, size_t size_max) {
  return !name.empty() && name.size() <= size_max && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
}

}  // namespace

AwsRecordsProtocol::AwsRecordsProtocol(const AwsRecordsOptions& options, AwsRecordsStream stream,
                                       bool line_end, bool go_plugin, const OutputContext& context,
                                       AwsRecordsSender::MakeClient make_client)
    : stream_(std::move(stream)),
      log_key_(options.log_key),
      aggregates_(options.simple_aggregation),
      component_("output:" + context.instance_name),
      text_(options, line_end, go_plugin),
      compressor_(options.compression),
      sender_(stream_.service, context.clock, std::move(make_client)) {}

bool AwsRecordsProtocol::append_text(std::string& out, const ChunkView& chunk,
                                     const RecordEntry& entry) {
  const uint64_t missing = text_.log_key_missing();
  if (!text_.append(out, entry.time, chunk.record(entry))) return false;
  if (text_.log_key_missing() == missing) return true;
  if (metrics_ != nullptr) metrics_->log_key_missing.add();
  if (const auto times = missing_.admit()) {
    log_warn(component_, "records without log_key \"{}\" are sent whole as JSON ({} times)",
             log_key_, times);
  }
  return true;
}

void AwsRecordsProtocol::append_data(std::string& body, std::string_view data) {
  body += R"("Data":")";
  append_base64(body, compressor_.compress(data));
  body += '"';
}

RequestAnswer AwsRecordsProtocol::send(ItemBatch& batch, std::span<const uint32_t> items,
                                       Monotonic deadline) {
  body_ = "{";
  write_json_string(body_, stream_.member);
  body_ += ':';
  write_json_string(body_, stream_.name);
  body_ += R"(,"Records":[)";
  for (const uint32_t item : items) {
    body_ += '{';
    append_item(body_, batch.item(item));
    body_ += "},";
  }
  body_.back() = ']';
  body_ += '}';
  return sender_.send(body_, items, deadline);
}

void check_stream_name(const Section& section, const char* option, std::string_view name,
                       size_t size_max, std::string_view what, Diagnostics& diagnostics) {
  if (name.empty() || is_stream_name(name, size_max)) return;
  diagnostics.error(
      section.where_of(option),
      fmt::format("\"{}\" cannot be the name of {}: 1 to {} characters of a-z A-Z 0-9 _ . -", name,
                  what, size_max));
}

MadeOutput make_aws_records_output(std::string_view plugin, std::string_view stream,
                                   const AwsRecordsOptions& options, std::string destination,
                                   std::unique_ptr<AwsRecordsProtocol> protocol,
                                   const OutputContext& context) {
  MadeOutput made = make_item_output(
      ItemOutputNames{
          .destination = std::move(destination),
          .identity = fmt::format("{}:{}:{}:{}", plugin, options.region, options.endpoint, stream)},
      std::move(protocol), context);
  if (!options.log_key.empty()) made.log_key = options.log_key;
  return made;
}

}  // namespace noroshi
