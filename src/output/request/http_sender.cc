#include "output/request/http_sender.h"

#include <fmt/format.h>

#include <algorithm>

namespace noroshi {
namespace {

// Bodies below this are not worth compressing: they fit into one packet anyway.
constexpr size_t kCompressBytesMin = 1400;

}  // namespace

HttpSender::HttpSender(HttpConnection connection, const AwsEnvironment& environment)
    : connection_(std::move(connection)), environment_(environment) {}
HttpSender::HttpSender(HttpSender&& other) noexcept = default;
HttpSender::~HttpSender() = default;

const Clock& HttpSender::clock() const { return *environment_.clock; }

// The body as sent; `encoding` is what it is called, empty if it is as it was.
std::string_view HttpSender::compressed(std::string_view body, std::string_view& encoding) {
  if (connection_.compression == HttpCompression::None || body.size() < kCompressBytesMin)
    return body;
  if (connection_.compression == HttpCompression::Gzip) {
    const auto smaller = gzip_.compress(body);
    if (!smaller) return body;
    encoding = "gzip";
    return *smaller;
  }
  const std::string_view smaller = zstd_.compress(body);
  if (smaller.size() >= body.size()) return body;
  encoding = "zstd";
  return smaller;
}

Result<HttpResponse> HttpSender::send(std::string_view path, const Content& content,
                                      Monotonic deadline) {
  deadline = std::min(deadline, clock().monotonic() + connection_.response_timeout);
  HttpHeaders headers = connection_.headers;
  // The user's own Content-Type wins, as with Fluent Bit.
  if (!headers.find("Content-Type")) headers.add("Content-Type", content.type);
  for (const auto& [name, value] : content.headers) headers.set(name, value);
  std::string_view encoding;
  const std::string_view body = compressed(content.body, encoding);
  if (!encoding.empty()) headers.set("Content-Encoding", encoding);
  if (connection_.aws) return send_signed(path, content, std::move(headers), body, deadline);
  if (!transport_) transport_ = environment_.make_transport(connection_.transport);
  HttpRequest request;
  request.method = content.method;
  request.url = connection_.base_url + std::string(path);
  request.headers = std::move(headers);
  request.body = body;
  request.response_bytes_max = content.answer_bytes_max;
  return transport_->send(request, deadline);
}

Result<HttpResponse> HttpSender::send_signed(std::string_view path, const Content& content,
                                             HttpHeaders headers, std::string_view body,
                                             Monotonic deadline) {
  if (!aws_) {
    const AwsService service{.id = connection_.aws_service,
                             .signing_name = connection_.aws_service};
    NOROSHI_ASSIGN(aws_, make_aws_client(service, *connection_.aws, environment_));
  }
  AwsRequest request;
  request.method = content.method;
  const size_t question = path.find('?');
  request.path = percent_decode(path.substr(0, question));
  if (question != std::string_view::npos) request.query = parse_query(path.substr(question + 1));
  request.headers = std::move(headers);
  // OpenSearch Serverless refuses requests without it.
  request.headers.set("X-Amz-Content-Sha256", sha256_hex(body));
  request.body = body;
  request.response_bytes_max = content.answer_bytes_max;
  NOROSHI_ASSIGN(AwsAnswer answer, aws_->call(request, deadline));
  return std::move(answer.response);
}

std::string http_identity(std::string_view plugin, const HttpConnection& connection,
                          std::string_view path) {
  return fmt::format("{}:{}{}", plugin, connection.base_url, path);
}

}  // namespace noroshi
