#include "output/tcp/tcp.h"

#include <fmt/format.h>

#include "base/check.h"
#include "config/accessor_option.h"
#include "config/diagnostics.h"
#include "config/document.h"
#include "config/json_date_option.h"
#include "output/stream_output.h"
#include "output/text/text_encoder.h"
#include "record/msgpack_writer.h"
#include "record/record_accessor.h"

namespace noroshi {
namespace {

// Bytes after which a batch is full.
constexpr size_t kBytesMax = 1 << 20;

// What all batches share.
struct TcpContext {
  TcpOutputFormat format = TcpOutputFormat::Msgpack;
  TextEncoder text{{}};  // of the JSON formats
  std::optional<RecordAccessor> raw_message = {};
};

class TcpBatch final : public Batch {
 public:
  explicit TcpBatch(std::shared_ptr<const TcpContext> context) : context_(std::move(context)) {
    if (is_json()) bytes_ = context_->text.opening();
  }

  Result<uint32_t> add(const ChunkView& chunk, std::span<const uint32_t> records,
                       std::vector<RejectedRecord>& rejected) override {
    CHECK(!closed_, "nothing is added to a batch that was sent");
    uint32_t taken = 0;
    for (const uint32_t index : records) {
      if (records_ != 0 && full()) break;
      ++taken;
      if (append(chunk, chunk.records[index])) {
        ++records_;
      } else {
        rejected.push_back({chunk.offset(index), DropReason::NotEncodable});
      }
    }
    return taken;
  }
  bool full() const override { return bytes_.size() >= kBytesMax; }
  uint64_t bytes() const override { return bytes_.size(); }

  const std::string& closed_bytes() {
    if (!std::exchange(closed_, true) && is_json()) bytes_ += context_->text.closing();
    return bytes_;
  }
  bool empty() const { return records_ == 0; }

 private:
  bool is_json() const {
    return !context_->raw_message && context_->format != TcpOutputFormat::Msgpack;
  }
  bool append(const ChunkView& chunk, const RecordEntry& entry) {
    if (context_->raw_message) {
      if (const auto value = context_->raw_message->find(chunk.record(entry)); value) {
        if (!append_value_text(bytes_, *value)) return false;
        bytes_ += '\n';
        return true;
      }
      // Without the key the whole record is sent: nothing disappears.
      if (!write_json(bytes_, chunk.record(entry))) return false;
      bytes_ += '\n';
      return true;
    }
    if (is_json()) return context_->text.append(bytes_, chunk, entry, records_);
    // As Fluent Bit's own encoding: [[time, metadata], record].
    MsgpackWriter writer(bytes_);
    writer.array_header(2), writer.array_header(2);
    writer.time(entry.time);
    if (entry.metadata_size == 0) {
      writer.map_header(0);
    } else {
      writer.raw(chunk.metadata(entry));
    }
    writer.raw(chunk.record(entry));
    return true;
  }

  std::shared_ptr<const TcpContext> context_;
  std::string bytes_;
  uint64_t records_ = 0;
  bool closed_ = false;
};

class TcpOutput final : public Output {
 public:
  TcpOutput(KeptConnection connection, std::shared_ptr<const TcpContext> context,
            Nanoseconds age_max)
      : connection_(std::move(connection)), context_(std::move(context)), age_max_(age_max) {}

  BatchLimits limits() const override { return {.age_max = age_max_}; }
  std::string identity() const override { return "tcp:" + connection_.address().to_string(); }
  void group(const ChunkView&, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups) override {
    groups.insert(groups.end(), records.size(), std::string_view("all"));
  }
  Result<std::unique_ptr<Batch>> open_batch(std::string_view, const BatchStart&) override {
    return std::make_unique<TcpBatch>(context_);
  }
  Delivery deliver(Batch& batch, Monotonic deadline) override {
    auto& tcp = static_cast<TcpBatch&>(batch);
    if (tcp.empty()) return Delivery::delivered();
    return deliver_bytes(connection_, tcp.closed_bytes(), deadline);
  }
  void stop() override { connection_.close(); }

 private:
  KeptConnection connection_;
  std::shared_ptr<const TcpContext> context_;
  Nanoseconds age_max_;
};

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const TcpOutputOptions options = tcp_output_option_table().parse(section, diagnostics);
  TextOptions text{.date_key = options.json_date_key.text};
  if (to_lower(text.date_key) == "false") text.date_key.clear();
  if (const auto date = parse_json_date_option(options.json_date_format, diagnostics))
    text.date_format = *date;
  if (options.format == TcpOutputFormat::Json) text.format = TextFormat::Json;
  if (options.format == TcpOutputFormat::JsonLines) text.format = TextFormat::JsonLines;
  if (options.format == TcpOutputFormat::JsonStream) text.format = TextFormat::JsonStream;
  auto shared = std::make_shared<TcpContext>();
  shared->format = options.format;
  shared->text = TextEncoder(std::move(text));
  shared->raw_message = parse_accessor_option(options.raw_message_key, diagnostics);
  KeptConnection connection = make_stream_connection(options, make_tls_client(section, diagnostics),
                                                     section, context, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeOutput made;
  made.destination =
      fmt::format("{} {}", connection.uses_tls() ? "TLS" : "TCP", connection.address().to_string());
  made.output = std::make_unique<TcpOutput>(std::move(connection), std::move(shared),
                                            context.flush.value_or(Nanoseconds{}));
  return made;
}

}  // namespace

const OptionTable<TcpOutputOptions>& tcp_output_option_table() {
  using O = TcpOutputOptions;
  static const auto table = [] {
    OptionTable<O> made("tcp", "Records over a TCP or TLS connection.");
    add_server_options(made, "5170")
        .choice("format", &O::format, "msgpack",
                {{"msgpack", TcpOutputFormat::Msgpack},
                 {"json", TcpOutputFormat::Json},
                 {"json_lines", TcpOutputFormat::JsonLines},
                 {"json_stream", TcpOutputFormat::JsonStream}},
                "msgpack: [[time, metadata], record] back to back; json: one array per batch; "
                "json_lines: one object per line; json_stream: objects without separator.")
        .option("json_date_key", &O::json_date_key, "date",
                "Key of the time in the JSON formats; false: none.")
        .option("json_date_format", &O::json_date_format, "double",
                "double, epoch, epoch_ms, iso8601 or java_sql_timestamp.")
        .option("raw_message_key", &O::raw_message_key,
                "Send only the value of this key, one per line. A record without it is sent whole, "
                "as JSON.");
    return made;
  }();
  return table;
}

const OutputPlugin kTcpOutputPlugin = {
    .name = "tcp",
    .aliases = {},
    .summary = "Records over a TCP or TLS connection",
    .options = [] { return with_stream_options(tcp_output_option_table().options()); },
    .make = make,
};

}  // namespace noroshi
