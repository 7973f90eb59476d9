#include "output/forward/forward.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/accessor_option.h"
#include "config/diagnostics.h"
#include "config/document.h"
#include "output/forward/forward_batch.h"
#include "output/forward/forward_peer.h"
#include "output/forward/upstream.h"
#include "record/record_accessor.h"

namespace noroshi {
namespace {

class ForwardOutput final : public Output {
 public:
  ForwardOutput(std::vector<ForwardPeerOptions> peers, std::optional<RecordTemplate> tag,
                std::shared_ptr<ForwardBatchContext> context, std::string identity,
                Nanoseconds age_max, const Clock& clock)
      : tag_(std::move(tag)),
        context_(std::move(context)),
        identity_(std::move(identity)),
        age_max_(age_max) {
    for (ForwardPeerOptions& peer : peers)
      peers_.push_back(std::make_unique<ForwardPeer>(std::move(peer), clock));
  }

  BatchLimits limits() const override { return {.age_max = age_max_}; }
  std::string identity() const override { return identity_; }

  void group(const ChunkView& chunk, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups) override {
    if (!tag_ || !tag_->needs_record()) {  // one tag for all of them
      rendered_.clear();
      if (tag_) (void)tag_->render({.tag = chunk.tag}, rendered_);
      const std::string_view tag = rendered_.empty() ? chunk.tag : std::string_view(rendered_);
      groups.insert(groups.end(), records.size(), tag);
      return;
    }
    rendered_.clear();
    ends_.clear();
    for (const uint32_t index : records) {
      const size_t begin = rendered_.size();
      (void)tag_->render({.tag = chunk.tag, .record = chunk.record(chunk.records[index])},
                         rendered_);
      if (rendered_.size() == begin) rendered_ += chunk.tag;
      ends_.push_back(rendered_.size());
    }
    size_t begin = 0;
    for (const size_t end : ends_) {
      groups.push_back(std::string_view(rendered_).substr(begin, end - begin));
      begin = end;
    }
  }

  Result<std::unique_ptr<Batch>> open_batch(std::string_view group,
                                            const BatchStart& start) override {
    return std::make_unique<ForwardBatch>(std::string(group), start.offset, context_);
  }

  Delivery deliver(Batch& batch, Monotonic deadline) override {
    auto& forward = static_cast<ForwardBatch&>(batch);
    const auto frame = forward.frame();
    std::string reasons;
    RetryClass retry_class = RetryClass::Auth;
    // A node that got the batch before and did not say so can recognise it; else each in turn.
    const size_t first = forward.sent_to.value_or(next_);
    for (size_t n = 0; n < peers_.size(); ++n) {
      const size_t index = (first + n) % peers_.size();
      ForwardPeer& peer = *peers_[index];
      const Status connected = peer.connect(deadline);
      if (!connected) {
        reasons += (reasons.empty() ? "" : "; ") + connected.error().message;
        if (connected.error().code != ErrorCode::Denied) retry_class = RetryClass::Transient;
        continue;
      }
      forward.sent_to = index;
      next_ = (index + 1) % peers_.size();
      Status sent = peer.send(frame, forward.chunk_id(), deadline);
      // The server may have closed an idle connection in the same moment: not its failure.
      if (!sent && peer.reused() && sent.error().code != ErrorCode::Timeout) {
        sent = peer.connect(deadline);
        if (sent) sent = peer.send(frame, forward.chunk_id(), deadline);
      }
      if (sent) return Delivery::delivered();
      // It may have arrived: another node would store it a second time.
      return Delivery::retry(RetryClass::Transient, std::move(sent.error().message));
    }
    return Delivery::retry(retry_class, std::move(reasons));
  }

  void stop() override {
    for (const auto& peer : peers_) peer->close();
  }

 private:
  std::vector<std::unique_ptr<ForwardPeer>> peers_;
  std::optional<RecordTemplate> tag_;
  std::shared_ptr<ForwardBatchContext> context_;
  std::string identity_;
  Nanoseconds age_max_;
  size_t next_ = 0;  // whose turn it is
  std::string rendered_;
  std::vector<size_t> ends_;
};

void read_extra_options(const std::vector<LocatedText>& given, ForwardBatchContext& context,
                        Diagnostics& diagnostics) {
  for (const LocatedText& option : given) {
    const std::string_view text = trim(option.text);
    const size_t blank = text.find(' ');
    const std::string key(text.substr(0, blank));
    if (blank == std::string_view::npos) {
      diagnostics.error(option.where, "add_option takes a key and a value")
          .help("for example add_option environment production");
      continue;
    }
    if (key == "size" || key == "chunk" || key == "compressed" || key == "fluent_signal") {
      diagnostics.error(option.where,
                        fmt::format("add_option: \"{}\" is the protocol's own option", key));
      continue;
    }
    context.extra_options.emplace_back(key, trim(text.substr(blank)));
  }
}

std::vector<ForwardPeerOptions> read_peers(const ForwardOutputOptions& options,
                                           const Section& section, Diagnostics& diagnostics) {
  if (!options.upstream.text.empty()) {
    for (const char* name : {"shared_key", "username", "tls"}) {
      if (const Property* property = section.find(name); property != nullptr) {
        diagnostics
            .warning(property->key_where,
                     fmt::format("\"{}\" has no effect with upstream", property->key))
            .help("it belongs into each [NODE] of the upstream's file");
      }
    }
    return read_upstream(options.upstream, section, diagnostics);
  }
  ForwardPeerOptions peer = make_peer_security(options, section, diagnostics);
  peer.connection = parse_connection_options(section, diagnostics);
  peer.address = {.host = options.host,
                  .port = static_cast<uint16_t>(options.port),
                  .unix_path = options.unix_path};
  if (peer.tls && !options.unix_path.empty()) {
    diagnostics.error(section.where_of("tls"), "a Unix socket is used without TLS")
        .help("remove tls, or use host and port");
  }
  return {std::move(peer)};
}

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const ForwardOutputOptions options = forward_output_option_table().parse(section, diagnostics);
  std::vector<ForwardPeerOptions> peers = read_peers(options, section, diagnostics);

  std::optional<RecordTemplate> tag = parse_template_option(options.tag, diagnostics);
  auto batches = std::make_shared<ForwardBatchContext>();
  batches->time_as_integer = options.time_as_integer;
  batches->retain_metadata = options.retain_metadata;
  batches->send_options = options.send_options;
  batches->acknowledged = options.require_ack_response;
  batches->compression = options.compression;
  if (options.compression != ForwardCompression::None) {
    batches->compressor = make_object_compressor(options.compression == ForwardCompression::Gzip
                                                     ? ObjectCompression::Gzip
                                                     : ObjectCompression::Zstd);
  }
  read_extra_options(options.add_option, *batches, diagnostics);
  if (diagnostics.error_count() != errors_before) return std::nullopt;

  MadeOutput made;
  std::string servers;
  for (const ForwardPeerOptions& peer : peers) {
    servers += (servers.empty() ? "" : ", ") + peer.address.to_string();
    if (peer.tls) servers += " with TLS";
  }
  const std::string identity = options.upstream.text.empty()
                                   ? "forward:" + peers.front().address.to_string()
                                   : "forward:upstream:" + options.upstream.text;
  batches->source = context.journal_id + "/" + identity;
  made.destination = fmt::format("Forward protocol to {}{}", servers,
                                 options.require_ack_response ? ", acknowledged" : "");
  made.output = std::make_unique<ForwardOutput>(
      std::move(peers), std::move(tag), std::move(batches), identity,
      context.flush.value_or(Nanoseconds{}), context.clock);
  return made;
}

}  // namespace

const OptionTable<ForwardOutputOptions>& forward_output_option_table() {
  using O = ForwardOutputOptions;
  static const auto table = [] {
    OptionTable<O> t("forward", "Records to Fluentd, Fluent Bit or noroshi.");
    add_server_options(t, "24224")
        .option("unix_path", &O::unix_path, "Unix socket of the server, instead of host and port.")
        .option("upstream", &O::upstream,
                "File with several servers ([UPSTREAM], [NODE]), used in turn; who cannot be "
                "reached is "
                "passed over.")
        .option(
            "require_ack_response", &O::require_ack_response, "false",
            "A batch is delivered when the server has confirmed it. Without: when the system has "
            "taken its bytes, and a server that dies loses them.")
        .choice(
            "compress", &O::compression, "text",
            {{"text", ForwardCompression::None},
             {"none", ForwardCompression::None},
             {"gzip", ForwardCompression::Gzip},
             {"zstd", ForwardCompression::Zstd}},
            "gzip: Fluentd and Fluent Bit; zstd: Fluentd from 1.19, Fluent Bit from 4.1, noroshi.")
        .option(
            "tag", &O::tag,
            "Tag instead of the records' own; a template ($TAG, $key) makes one for each record.")
        .option("time_as_integer", &O::time_as_integer, "false",
                "Times in whole seconds, for Fluentd 0.12.")
        .option("retain_metadata_in_forward_mode", &O::retain_metadata, "true",
                "Send the metadata of records that have any (Forward v1.5).")
        .option("send_options", &O::send_options, "false",
                "Send the option map also where nothing needs it.")
        .option("add_option", &O::add_option, "`KEY VALUE` to add to the option map.");
    add_peer_security_options(t);
    t.ignored("fluentd_compat", "accepted; it is for metrics and traces");
    return t;
  }();
  return table;
}

const OutputPlugin kForwardOutputPlugin = {
    .name = "forward",
    .aliases = {},
    .summary = "Forward protocol: Fluentd, Fluent Bit, noroshi",
    .options = [] { return with_stream_options(forward_output_option_table().options()); },
    .make = make,
};

}  // namespace noroshi
