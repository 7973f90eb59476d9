#include "output/request/http_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "aws/region.h"
#include "base/base64.h"
#include "config/common_options.h"
#include "http/url.h"

namespace noroshi {
namespace {

bool has_control_characters(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

void add_header(const Section& section, const LocatedText& given, HttpHeaders& headers,
                Diagnostics& diagnostics) {
  const std::string_view line = given.text;
  const std::string_view name = line.substr(0, line.find_first_of(" \t"));
  const std::string_view value = trim(line.substr(name.size()));
  if (value.empty() || name.find(':') != std::string_view::npos || has_control_characters(line)) {
    // It may hold a secret: neither it nor its line is shown.
    diagnostics.error(section.where, "a line `header` is not `Name value`")
        .help("write it without a colon: header X-Team web");
    return;
  }
  headers.add(name, value);
}

}  // namespace

std::string absolute_path(std::string_view uri) {
  return uri.starts_with('/') ? std::string(uri) : "/" + std::string(uri);
}

HttpConnection make_http_connection(const Section& section, const HttpOptions& options,
                                    bool tls_default, Diagnostics& diagnostics) {
  // Problems of the common options are told by who reads them for every output.
  Diagnostics told_elsewhere;
  const OutputCommon common = parse_output_common(section, told_elsewhere);

  HttpConnection connection;
  const bool tls = common.tls.value_or(tls_default);
  const bool ipv6 = options.host.find(':') != std::string::npos && !options.host.starts_with('[');
  connection.base_url = fmt::format("{}://{}:{}", tls ? "https" : "http",
                                    ipv6 ? "[" + options.host + "]" : options.host, options.port);
  if (const auto url = parse_url(connection.base_url); !url || !url->path.empty()) {
    diagnostics
        .error(section.where_of("host"),
               fmt::format("\"{}\" is not the name or address of a host", options.host))
        .help("write only the name: the path belongs into uri, the port into port");
  } else {
    connection.base_url =
        url->port == (tls ? 443 : 80) ? url->scheme + "://" + url->host : url->to_string();
  }

  connection.compression = options.compress;
  connection.response_timeout =
      common.net_io_timeout > Nanoseconds(0)
          ? std::min<Nanoseconds>(common.net_io_timeout, std::chrono::minutes(5))
          : options.response_timeout;
  for (const LocatedText& header : options.headers)
    add_header(section, header, connection.headers, diagnostics);
  if (!options.http_user.empty()) {
    std::string credentials = "Basic ";
    append_base64(credentials, options.http_user + ":" + options.http_passwd);
    connection.headers.set("Authorization", credentials);
  } else if (!options.bearer_token.empty()) {
    if (has_control_characters(options.bearer_token)) {
      diagnostics.error(section.where_of("bearer_token"),
                        "bearer_token cannot contain control characters");
    }
    connection.headers.set("Authorization", "Bearer " + options.bearer_token);
  }

  HttpTransportOptions& transport = connection.transport;
  transport.connect_timeout = common.net_connect_timeout;
  transport.keep_alive = options.keep_alive;
  transport.keep_alive_idle_max = options.keep_alive_idle_timeout;
  transport.verify_tls = common.tls_verify;
  transport.verify_host = options.tls_verify_hostname;
  transport.ca_file = common.tls_ca_file;
  transport.ca_path = options.tls_ca_path;
  transport.certificate_file = common.tls_crt_file;
  transport.key_file = common.tls_key_file;
  transport.key_password = options.tls_key_passwd;
  transport.tls_name = common.tls_vhost;
  transport.use_proxy_environment = !options.proxy_env_ignore;
  if (!options.proxy.empty()) {
    const auto url = parse_url(options.proxy);
    if (!url || url->scheme != "http") {
      diagnostics.error(section.where_of("proxy"), "the proxy must be http://host:port");
    }
    transport.proxy = options.proxy;
  }

  if (options.aws_auth) {
    if (options.aws_service.empty()) {
      diagnostics.error(section.where_of("aws_auth"), "aws_auth needs aws_service")
          .help("es for Amazon OpenSearch Service, aoss for OpenSearch Serverless, logs …");
    }
    if (!options.aws_region.empty() && !is_region_name(options.aws_region)) {
      diagnostics.error(section.where_of("aws_region"),
                        fmt::format("\"{}\" is not the name of an AWS region", options.aws_region));
    }
    connection.aws_service = options.aws_service;
    connection.aws = AwsSettings{.region = options.aws_region,
                                 .endpoint = connection.base_url,
                                 .profile = options.aws_profile,
                                 .role_arn = options.aws_role_arn,
                                 .external_id = options.aws_external_id,
                                 .sts_endpoint = options.aws_sts_endpoint,
                                 .tls = tls};
    connection.aws->transport = transport;
    connection.headers.erase("Authorization");
  }
  return connection;
}

}  // namespace noroshi
