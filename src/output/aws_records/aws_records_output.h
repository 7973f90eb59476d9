// The output of both: AwsRecordsProtocol does everything but choose which record goes into which
// item, and write an item into the request.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "output/aws_records/aws_records.h"
#include "output/plugin.h"
#include "output/request/item_protocol.h"

namespace noroshi {

// What is at the other end.
struct AwsRecordsStream {
  AwsRecordsSender::Service service;
  std::string_view member;  // of a request's body that names the stream: "StreamName"
  std::string name;
};

class AwsRecordsProtocol : public ItemProtocol {
 public:
  // `line_end`, `go_plugin`: as RecordText.
  AwsRecordsProtocol(const AwsRecordsOptions& options, AwsRecordsStream stream, bool line_end,
                     bool go_plugin, const OutputContext& context,
                     AwsRecordsSender::MakeClient make_client);

  // {"StreamName":"…","Records":[…]}
  RequestAnswer send(ItemBatch& batch, std::span<const uint32_t> items, Monotonic deadline) final;
  void start(OutputMetrics& metrics) final { metrics_ = &metrics; }

 protected:
  // Appends the text of a record; one without log_key is counted and warned of. False, and nothing
  // appended, if it is no well-formed map.
  [[nodiscard]] bool append_text(std::string& out, const ChunkView& chunk,
                                 const RecordEntry& entry);
  // Appends `"Data":"…"`.
  void append_data(std::string& body, std::string_view data);
  [[nodiscard]] bool aggregates() const { return aggregates_; }

 private:
  // Appends the members of an item's object.
  virtual void append_item(std::string& body, std::string_view item) = 0;

  const AwsRecordsStream stream_;
  const std::string log_key_;
  const bool aggregates_;
  const std::string component_;
  RecordText text_;
  RecordCompressor compressor_;
  AwsRecordsSender sender_;
  OutputMetrics* metrics_ = nullptr;
  LogEpisode missing_{Seconds(3600)};
  std::string body_;
};

// Of the option `option`: 1 to `size_max` characters of a-z A-Z 0-9 _ . -; `what`: "a stream". An
// empty one is told elsewhere.
void check_stream_name(const Section& section, const char* option, std::string_view name,
                       size_t size_max, std::string_view what, Diagnostics& diagnostics);

// `plugin` and `stream` name its checkpoint; `destination` is what the effective pipeline shows.
[[nodiscard]] MadeOutput make_aws_records_output(std::string_view plugin, std::string_view stream,
                                                 const AwsRecordsOptions& options,
                                                 std::string destination,
                                                 std::unique_ptr<AwsRecordsProtocol> protocol,
                                                 const OutputContext& context);

}  // namespace noroshi
