// An input that takes records in HTTP requests (http, opentelemetry): the options they have in
// common, and the Input around an HttpSource. What is left to the plugin is a RequestDecoder.
//
//   struct SectionOptions : HttpInputOptions { … };
//   add_http_listen_options(table, "9880", "Tag of …");
//   …
//   HttpSourceOptions source = make_http_source_options(given, section, context, diagnostics);
//   made.input = make_http_input("http", std::move(source), std::move(decoder), context);
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "config/option_table.h"
#include "input/http_source.h"
#include "input/plugin.h"

namespace noroshi {

// Base of the options struct of both.
struct HttpInputOptions {
  std::string listen = {}, tag = {}, successful_response_code = {};
  int64_t port = 0, connections_max = 0;
  LocatedText tag_key = {};
  ByteSize buffer_max_size = {}, buffer_chunk_size = {};
};

template <typename Options>
void add_http_listen_options(OptionTable<Options>& table, const std::string& port,
                             const std::string& tag_help) {
  using Base = HttpInputOptions;
  table
      .option("listen", static_cast<std::string Options::*>(&Base::listen), "0.0.0.0",
              "Address to listen on.")
      .last_wins()
      .option("port", static_cast<int64_t Options::*>(&Base::port), port,
              "TCP port. 0: any free one.")
      .between("0", "65535")
      .last_wins()
      .option("tag", static_cast<std::string Options::*>(&Base::tag), tag_help)
      .last_wins();
}

template <typename Options>
void add_http_tag_key_option(OptionTable<Options>& table) {
  table
      .option("tag_key", static_cast<LocatedText Options::*>(&HttpInputOptions::tag_key),
              "A field of the records ($a['b']) whose text is their tag instead.")
      .last_wins();
}

template <typename Options>
void add_http_request_options(OptionTable<Options>& table, const std::string& success) {
  using Base = HttpInputOptions;
  table
      .option("buffer_max_size", static_cast<ByteSize Options::*>(&Base::buffer_max_size), "4MiB",
              "Largest body as it arrives; 16 MiB after decompression.")
      .between("1KiB", "8MiB")
      .last_wins()
      .option("buffer_chunk_size", static_cast<ByteSize Options::*>(&Base::buffer_chunk_size),
              "512KiB", "Checked, without effect: buffers grow as they are needed.")
      .last_wins()
      .choice("successful_response_code",
              static_cast<std::string Options::*>(&Base::successful_response_code), success,
              {"200", "201", "204"}, "Status of a success.")
      .last_wins();
}

// The name is Fluent Bit's where it has one.
template <typename Options>
void add_http_connections_option(OptionTable<Options>& table, const std::string& name,
                                 const std::string& help) {
  table
      .option(name, static_cast<int64_t Options::*>(&HttpInputOptions::connections_max), "1024",
              help)
      .between("1", "65535")
      .last_wins();
}

// With TLS as the section says. Problems go to `diagnostics`.
[[nodiscard]] HttpSourceOptions make_http_source_options(const HttpInputOptions& given,
                                                         const Section& section,
                                                         const InputContext& context,
                                                         Diagnostics& diagnostics);

// What requests mean to a plugin. On the HTTP thread, as HttpSource::Handlers.
class RequestDecoder {
 public:
  virtual ~RequestDecoder() = default;
  [[nodiscard]] virtual std::optional<ServerResponse> refuse(const ServerRequest& head) = 0;
  [[nodiscard]] virtual DecodedRequest decode(const ServerRequest& head, std::string_view body) = 0;
};

// Claims the address for `plugin`. `path`: where records go, for the log.
[[nodiscard]] std::unique_ptr<Input> make_http_input(std::string plugin, HttpSourceOptions source,
                                                     std::unique_ptr<RequestDecoder> decoder,
                                                     InputContext& context, std::string path = {});

// "application/json; charset=utf-8" is "application/json".
[[nodiscard]] std::string media_type(std::string_view content_type);

}  // namespace noroshi
