#include "input/http_input.h"

#include <fmt/format.h>

#include "net/listener_registry.h"
#include "net/tls.h"
#include "record/ascii.h"

namespace noroshi {
namespace {

class HttpInput final : public Input {
 public:
  HttpInput(HttpSourceOptions options, std::unique_ptr<RequestDecoder> decoder, std::string path,
            const ListenerRegistry& listeners, size_t claim)
      : options_(std::move(options)),
        path_(std::move(path)),
        registry_(listeners),
        claim_(claim),
        decoder_(std::move(decoder)),
        source_(
            options_,
            {.refuse = [this](const ServerRequest& head) { return decoder_->refuse(head); },
             .decode = [this](const ServerRequest& head,
                              std::string_view body) { return decoder_->decode(head, body); }}) {}

  Status bind(boost::asio::io_context& loop) override {
    if (!registry_.listens(claim_)) return {};
    NOROSHI_TRY(source_.bind(loop));
    address_ = fmt::format("{}:{}", options_.address, source_.port());
    return {};
  }
  void start(ChunkSink& sink, InputMetrics& metrics) override {
    if (address_.empty()) return;
    source_.start(sink, metrics);
    log_info("input:" + options_.name, "listening on http{}://{}{}", options_.tls ? "s" : "",
             address_, path_);
  }
  bool busy() const override { return !address_.empty() && source_.busy(); }
  void close() override {
    if (!address_.empty()) source_.close();
  }
  std::string listening_on() const override { return address_; }

 private:
  const HttpSourceOptions options_;
  const std::string path_;
  const ListenerRegistry& registry_;
  const size_t claim_;
  std::string address_;  // empty: another input listens for us
  const std::unique_ptr<RequestDecoder> decoder_;
  HttpSource source_;  // last: its threads use the decoder
};

}  // namespace

HttpSourceOptions make_http_source_options(const HttpInputOptions& given, const Section& section,
                                           const InputContext& context, Diagnostics& diagnostics) {
  HttpSourceOptions source;
  source.name = context.instance_name;
  source.address = given.listen;
  source.port = static_cast<uint16_t>(given.port);
  source.body_bytes_max = given.buffer_max_size.bytes;
  source.connections_max = static_cast<size_t>(given.connections_max);
  source.tls = make_tls_server(section, diagnostics);
  return source;
}

std::unique_ptr<Input> make_http_input(std::string plugin, HttpSourceOptions source,
                                       std::unique_ptr<RequestDecoder> decoder,
                                       InputContext& context, std::string path) {
  const size_t claim = context.listeners.claim({.kind = std::move(plugin),
                                                .owner = context.instance_name,
                                                .host = source.address,
                                                .port = source.port});
  return std::make_unique<HttpInput>(std::move(source), std::move(decoder), std::move(path),
                                     context.listeners, claim);
}

std::string media_type(std::string_view content_type) {
  std::string type(trim(content_type.substr(0, content_type.find(';'))));
  for (char& c : type) c = to_lower(c);
  return type;
}

}  // namespace noroshi
