#include "output/syslog/syslog.h"

#include <fmt/format.h>

#include "base/check.h"
#include "config/accessor_option.h"
#include "config/diagnostics.h"
#include "config/document.h"
#include "net/datagram_client.h"
#include "output/stream_output.h"

namespace noroshi {
namespace {

constexpr size_t kBytesMax = 1 << 20;           // after which a batch is full
constexpr size_t kMaxsize3164 = 1024;           // RFC 3164 §4.1
constexpr size_t kMaxsize5424 = 2048;           // RFC 5424 §6.1: receivers should take so much
constexpr std::string_view kLineFeed = "#012";  // inside a message, as rsyslog writes it

// Messages back to back; where each ends, for datagrams.
class SyslogBatch final : public Batch {
 public:
  SyslogBatch(std::shared_ptr<const SyslogEncoder> encoder, bool stream, SyslogFraming framing)
      : encoder_(std::move(encoder)), stream_(stream), framing_(framing) {}

  Result<uint32_t> add(const ChunkView& chunk, std::span<const uint32_t> records,
                       std::vector<RejectedRecord>& rejected) override {
    uint32_t taken = 0;
    for (const uint32_t index : records) {
      if (!ends_.empty() && full()) break;
      ++taken;
      const RecordEntry& entry = chunk.records[index];
      message_.clear();
      if (!encoder_->append(message_, entry.time, chunk.record(entry))) {
        rejected.push_back({chunk.offset(index), DropReason::NotEncodable});
        continue;
      }
      append_framed();
      ends_.push_back(bytes_.size());
      offsets_.push_back(chunk.offset(index));
    }
    return taken;
  }
  bool full() const override { return bytes_.size() >= kBytesMax; }
  uint64_t bytes() const override { return bytes_.size(); }

  [[nodiscard]] std::string_view all() const { return bytes_; }
  // The next datagram, after `sent` are gone.
  [[nodiscard]] bool done() const { return sent_ == ends_.size(); }
  [[nodiscard]] std::string_view next() const {
    const size_t begin = sent_ == 0 ? 0 : ends_[sent_ - 1];
    return all().substr(begin, ends_[sent_] - begin);
  }
  [[nodiscard]] Offset next_offset() const { return offsets_[sent_]; }
  void advance() { ++sent_; }

  std::vector<RejectedRecord> too_large = {};  // for a datagram, in any attempt

 private:
  void append_framed() {
    if (!stream_) {
      bytes_ += message_;
      return;
    }
    if (framing_ == SyslogFraming::OctetCounted) {
      fmt::format_to(std::back_inserter(bytes_), "{} ", message_.size());
      bytes_ += message_;
      return;
    }
    // A line end ends the message: those inside it are written as rsyslog does.
    for (const char c : message_) {
      if (c == '\n') {
        bytes_ += kLineFeed;
      } else {
        bytes_ += c;
      }
    }
    bytes_ += '\n';
  }

  std::shared_ptr<const SyslogEncoder> encoder_;
  const bool stream_;
  const SyslogFraming framing_;
  std::string message_;
  std::string bytes_;
  std::vector<size_t> ends_;
  std::vector<Offset> offsets_;
  size_t sent_ = 0;
};

class SyslogOutput final : public Output {
 public:
  SyslogOutput(KeptConnection connection, SyslogTransport mode, SyslogFraming framing,
               SyslogMessageOptions message, Nanoseconds age_max)
      : connection_(std::move(connection)),
        stream_(mode != SyslogTransport::Udp),
        framing_(framing),
        encoder_(std::make_shared<SyslogEncoder>(std::move(message))),
        age_max_(age_max) {}

  BatchLimits limits() const override { return {.age_max = age_max_}; }
  std::string identity() const override { return "syslog:" + connection_.address().to_string(); }
  void group(const ChunkView&, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups) override {
    groups.insert(groups.end(), records.size(), std::string_view("all"));
  }
  Result<std::unique_ptr<Batch>> open_batch(std::string_view, const BatchStart&) override {
    return std::make_unique<SyslogBatch>(encoder_, stream_, framing_);
  }
  Delivery deliver(Batch& batch, Monotonic deadline) override {
    auto& messages = static_cast<SyslogBatch&>(batch);
    if (messages.done()) return Delivery::delivered();
    return stream_ ? deliver_bytes(connection_, messages.all(), deadline)
                   : deliver_datagrams(messages, deadline);
  }
  void stop() override {
    connection_.close();
    datagrams_.reset();
  }

 private:
  // What was sent stays sent: a further attempt goes on behind it.
  Delivery deliver_datagrams(SyslogBatch& batch, Monotonic deadline) {
    if (!datagrams_) {
      auto connected = DatagramClient::connect(connection_.address(), deadline);
      if (!connected)
        return Delivery::retry(RetryClass::Transient, std::move(connected.error().message));
      datagrams_ = *std::move(connected);
    }
    while (!batch.done()) {
      Status sent = datagrams_->send(batch.next(), deadline);
      if (!sent && sent.error().code == ErrorCode::InvalidArgument) {
        batch.too_large.push_back({batch.next_offset(), DropReason::Oversize});
      } else if (!sent) {
        datagrams_.reset();  // the name may stand for another address by now
        return Delivery::retry(RetryClass::Transient, std::move(sent.error().message));
      }
      batch.advance();
    }
    Delivery delivery = Delivery::delivered();
    delivery.rejected = batch.too_large;
    return delivery;
  }

  KeptConnection connection_;
  std::optional<DatagramClient> datagrams_;
  const bool stream_;
  const SyslogFraming framing_;
  std::shared_ptr<const SyslogEncoder> encoder_;
  Nanoseconds age_max_;
};

SyslogMessageOptions message_options(const SyslogOutputOptions& options, Diagnostics& diagnostics) {
  SyslogMessageOptions message;
  message.format = options.format;
  const size_t standard =
      options.format == SyslogMessageFormat::Rfc3164 ? kMaxsize3164 : kMaxsize5424;
  message.bytes_max = options.maxsize.bytes == 0 ? standard : options.maxsize.bytes;
  message.severity = static_cast<int>(options.severity_preset);
  message.facility = static_cast<int>(options.facility_preset);
  message.severity_key = parse_accessor_option(options.severity_key, diagnostics);
  message.facility_key = parse_accessor_option(options.facility_key, diagnostics);
  message.hostname = {parse_accessor_option(options.hostname_key, diagnostics),
                      options.hostname_preset};
  message.appname = {parse_accessor_option(options.appname_key, diagnostics),
                     options.appname_preset};
  message.procid = {parse_accessor_option(options.procid_key, diagnostics), options.procid_preset};
  message.msgid = {parse_accessor_option(options.msgid_key, diagnostics), options.msgid_preset};
  for (const LocatedText& key : options.sd_key) {
    if (auto accessor = parse_accessor_option(key, diagnostics))
      message.structured_data.push_back(*std::move(accessor));
  }
  message.message_key = parse_accessor_option(options.message_key, diagnostics);
  message.long_structured_names = options.allow_longer_sd_id;
  return message;
}

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const SyslogOutputOptions options = syslog_output_option_table().parse(section, diagnostics);
  SyslogMessageOptions message = message_options(options, diagnostics);
  if (options.mode == SyslogTransport::Dtls) {
    diagnostics.error(section.where_of("mode"), "syslog: DTLS is not supported")
        .help("use mode tls (RFC 5425)");
  }
  auto tls = make_tls_client(section, diagnostics, options.mode == SyslogTransport::Tls);
  if (tls && options.mode == SyslogTransport::Udp) {
    diagnostics.error(section.where_of("tls"), "syslog: there is no TLS over UDP")
        .help("use mode tls");
  }
  if (options.mode == SyslogTransport::Tls && !tls && diagnostics.error_count() == errors_before) {
    diagnostics.error(section.where_of("tls"), "syslog: mode tls and \"tls off\" contradict")
        .help("remove one of them");
  }
  const char* const transport = tls ? "TLS" : options.mode == SyslogTransport::Udp ? "UDP" : "TCP";
  KeptConnection connection =
      make_stream_connection(options, std::move(tls), section, context, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeOutput made;
  made.destination =
      fmt::format("syslog over {} to {}", transport, connection.address().to_string());
  if (!options.message_key.text.empty()) made.log_key = options.message_key.text;
  made.output =
      std::make_unique<SyslogOutput>(std::move(connection), options.mode, options.framing,
                                     std::move(message), context.flush.value_or(Nanoseconds{}));
  return made;
}

}  // namespace

const OptionTable<SyslogOutputOptions>& syslog_output_option_table() {
  using O = SyslogOutputOptions;
  static const auto table = [] {
    OptionTable<O> made("syslog", "Records as syslog messages.");
    add_server_options(made, "514")
        .choice("mode", &O::mode, "udp",
                {{"udp", SyslogTransport::Udp},
                 {"tcp", SyslogTransport::Tcp},
                 {"tls", SyslogTransport::Tls},
                 {"dtls", SyslogTransport::Dtls}},
                "udp, tcp or tls (with the tls… options). dtls is an error.")
        .choice(
            "syslog_framing", &O::framing, "newline",
            {{"newline", SyslogFraming::Newline}, {"octet_counted", SyslogFraming::OctetCounted}},
            "Over tcp and tls (RFC 6587): newline writes a line end inside a message as #012; "
            "octet_counted keeps it. noroshi's own.")
        .choice(
            "syslog_format", &O::format, "rfc5424",
            {{"rfc3164", SyslogMessageFormat::Rfc3164}, {"rfc5424", SyslogMessageFormat::Rfc5424}},
            "Of the messages.")
        .option("syslog_maxsize", &O::maxsize, "0",
                "Longest message; the rest is cut off. 0: 1,024 bytes (rfc3164), 2,048 (rfc5424).")
        .between("", "1MiB")
        .option("syslog_severity_key", &O::severity_key,
                "Key of the severity: 0 to 7 or a word (err, error, warning …).")
        .option("syslog_severity_preset", &O::severity_preset, "6", "Where the key says nothing.")
        .between("0", "7")
        .option("syslog_facility_key", &O::facility_key,
                "Key of the facility: 0 to 23 or a word (user, daemon, local0 …).")
        .option("syslog_facility_preset", &O::facility_preset, "1", "Where the key says nothing.")
        .between("0", "23")
        .option("syslog_hostname_key", &O::hostname_key, "Key of the host name.")
        .option("syslog_hostname_preset", &O::hostname_preset, "Where the key says nothing.")
        .option("syslog_appname_key", &O::appname_key, "Key of the application's name.")
        .option("syslog_appname_preset", &O::appname_preset, "Where the key says nothing.")
        .option("syslog_procid_key", &O::procid_key, "Key of the process id.")
        .option("syslog_procid_preset", &O::procid_preset, "Where the key says nothing.")
        .option("syslog_msgid_key", &O::msgid_key, "Key of the message id (rfc5424).")
        .option("syslog_msgid_preset", &O::msgid_preset, "Where the key says nothing.")
        .option("syslog_sd_key", &O::sd_key,
                "Key of a map that becomes an element of structured data (rfc5424).")
        .option("syslog_message_key", &O::message_key,
                "Key of the message. A record without it, or no key at all: the whole record, as "
                "JSON.")
        .option("allow_longer_sd_id", &O::allow_longer_sd_id, "false",
                "Names in structured data beyond RFC 5424's 32 characters.");
    return made;
  }();
  return table;
}

const OutputPlugin kSyslogOutputPlugin = {
    .name = "syslog",
    .aliases = {},
    .summary = "Syslog messages over UDP, TCP or TLS",
    .options = [] { return with_stream_options(syslog_output_option_table().options()); },
    .make = make,
};

}  // namespace noroshi
