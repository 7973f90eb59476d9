// The options that outputs over HTTP have in common, by their Fluent Bit names, and the connection
// they describe.
//
//   struct LokiOptions : HttpOptions { std::string labels; };
//   auto table = OptionTable<LokiOptions>("loki", "…");
//   add_http_options(table, {.host = "127.0.0.1", .port = "3100"});
//   …
//   auto connection = make_http_connection(section, options, context, diagnostics);
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "aws/aws_client.h"
#include "config/option_table.h"
#include "http/http_client.h"
#include "output/plugin.h"

namespace noroshi {

enum class HttpCompression { None, Gzip, Zstd };

struct HttpOptions {
  std::string host;
  int64_t port = 0;
  std::string http_user, http_passwd;
  std::string bearer_token;
  std::string proxy;
  std::vector<LocatedText> headers;  // "Name value"
  HttpCompression compress = HttpCompression::None;
  Nanoseconds response_timeout{};
  std::string tls_ca_path, tls_key_passwd;
  bool tls_verify_hostname = true;
  bool keep_alive = true;
  Nanoseconds keep_alive_idle_timeout{};
  bool proxy_env_ignore = false;
  // SigV4.
  bool aws_auth = false;
  std::string aws_service, aws_region, aws_profile, aws_role_arn, aws_external_id, aws_sts_endpoint;
};

struct HttpDefaults {
  std::string host = "127.0.0.1";
  std::string port = "80";
  std::string compress = {};
};

// Where requests go and how; what HttpSender (http_sender.h) is made from.
struct HttpConnection {
  std::string base_url = {};  // "https://host:port", without a path
  HttpHeaders headers = {};   // Authorization and the user's
  HttpCompression compression = HttpCompression::None;
  Nanoseconds response_timeout = Seconds(60);
  HttpTransportOptions transport = {};
  // Set: requests are signed for this service.
  std::optional<AwsSettings> aws = {};
  std::string aws_service = {};
};

// All problems go to `diagnostics`; what is returned is complete. `tls_default`: without an option
// `tls`.
[[nodiscard]] HttpConnection make_http_connection(const Section& section,
                                                  const HttpOptions& options, bool tls_default,
                                                  Diagnostics& diagnostics);

// '/' in front if it has none.
[[nodiscard]] std::string absolute_path(std::string_view uri);

// `add_aws_auth`: the plugin can sign, as Fluent Bit's of that name.
template <typename Options>
void add_http_options(OptionTable<Options>& table, const HttpDefaults& defaults) {
  using O = Options;
  const auto text = [](std::string HttpOptions::* member) {
    return static_cast<std::string O::*>(member);
  };
  table.option("host", text(&HttpOptions::host), defaults.host, "Host name or address.")
      .last_wins()
      .option("port", static_cast<int64_t O::*>(&HttpOptions::port), defaults.port, "Port.")
      .between("1", "65535")
      .last_wins()
      .option("http_user", text(&HttpOptions::http_user), "User for basic authentication.")
      .option("http_passwd", text(&HttpOptions::http_passwd), "Its password.")
      .option("proxy", text(&HttpOptions::proxy),
              "http://host:port. Not set: HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide.")
      .option("header", static_cast<std::vector<LocatedText> O::*>(&HttpOptions::headers),
              "A header, as `Name value`; several lines are possible.")
      .choice("compress", static_cast<HttpCompression O::*>(&HttpOptions::compress),
              defaults.compress,
              {{"none", HttpCompression::None},
               {"false", HttpCompression::None},
               {"off", HttpCompression::None},
               {"gzip", HttpCompression::Gzip},
               {"zstd", HttpCompression::Zstd}},
              "Compress bodies; zstd where the service takes it. Not set: none.")
      .option("http.response_timeout",
              static_cast<Nanoseconds O::*>(&HttpOptions::response_timeout), "60s",
              "Longest wait for an answer; net.io_timeout is the same.")
      .between("1s", "5m")
      .option("tls.ca_path", text(&HttpOptions::tls_ca_path), "Directory of certificates to trust.")
      .option("tls.key_passwd", text(&HttpOptions::tls_key_passwd), "Password of tls.key_file.")
      .option("tls.verify_hostname", static_cast<bool O::*>(&HttpOptions::tls_verify_hostname),
              "on", "off: only the chain of the certificate is checked, not its name.")
      .option("net.keepalive", static_cast<bool O::*>(&HttpOptions::keep_alive), "on",
              "Use a connection for several requests.")
      .last_wins()
      .option("net.keepalive_idle_timeout",
              static_cast<Nanoseconds O::*>(&HttpOptions::keep_alive_idle_timeout), "30s",
              "An idle connection older than this is not used again.")
      .last_wins()
      .option("net.proxy_env_ignore", static_cast<bool O::*>(&HttpOptions::proxy_env_ignore), "off",
              "Ignore the proxy variables of the environment.")
      .ignored("http.read_idle_timeout", "The deadline of a request bounds every read.")
      .ignored("allow_duplicated_headers", "Headers are sent as they are written.")
      .ignored("log_response_payload", "Answers that are no success are logged, cut at 200 bytes.");
}

// `prefix` is "aws_" in all of Fluent Bit's; the service's option is named `service_option`.
template <typename Options>
void add_aws_auth_options(OptionTable<Options>& table, const std::string& service_option,
                          const std::string& service_default) {
  using O = Options;
  const auto text = [](std::string HttpOptions::* member) {
    return static_cast<std::string O::*>(member);
  };
  table
      .option("aws_auth", static_cast<bool O::*>(&HttpOptions::aws_auth), "off",
              "Sign requests with AWS Signature Version 4.")
      .option(service_option, text(&HttpOptions::aws_service), service_default,
              "Service the signature is for.")
      .option("aws_region", text(&HttpOptions::aws_region),
              "Its region; not set: as the AWS SDKs find it.")
      .option("aws_profile", text(&HttpOptions::aws_profile),
              "Profile of the AWS configuration files.")
      .option("aws_role_arn", text(&HttpOptions::aws_role_arn),
              "Role to assume on top of the found credentials.")
      .option("aws_external_id", text(&HttpOptions::aws_external_id), "External id for that.")
      .option("aws_sts_endpoint", text(&HttpOptions::aws_sts_endpoint), "Where to assume it.");
}

}  // namespace noroshi
