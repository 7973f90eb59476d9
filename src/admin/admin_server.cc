#include "admin/admin_server.h"

#include <fmt/format.h>

#include <cstdio>

#include "admin/metrics_text.h"
#include "http/http_client.h"

namespace noroshi {
namespace {

ServerResponse answer(int status, std::string_view type, std::string body) {
  return {
      .status = status, .headers = {{"Content-Type", std::string(type)}}, .body = std::move(body)};
}

ServerResponse handle(Pipeline& pipeline, const Health& health, Timestamp started,
                      const ServerRequest& request) {
  constexpr std::string_view kJson = "application/json", kText = "text/plain; charset=utf-8";
  const Timestamp now = system_clock().wall();
  const std::string_view path = request.path();
  if (path == "/api/v1/deliver") {
    if (request.method != "POST") return answer(405, kText, "POST only\n");
    pipeline.deliver_now();
    return answer(200, kJson, "{\"deliver\":\"requested\"}\n");
  }
  if (request.method != "GET" && request.method != "HEAD") return answer(405, kText, "GET only\n");
  if (path == "/api/v1/health") {
    const HealthStatus status = health.status();
    return answer(status.healthy ? 200 : 500, kText, status.text + "\n");
  }
  if (path == "/api/v1/uptime") {
    return answer(200, kJson, uptime_json(std::chrono::duration_cast<Seconds>(now - started)));
  }
  if (path == "/api/v1/metrics") return answer(200, kJson, metrics_json(pipeline));
  if (path == "/api/v1/metrics/prometheus" || path == "/api/v2/metrics/prometheus") {
    return answer(200, "text/plain; version=0.0.4", metrics_prometheus(pipeline, now, started));
  }
  if (path == "/") {
    return answer(200, kJson,
                  fmt::format("{{\"noroshi\":{{\"version\":\"{}\"}}}}\n", NOROSHI_VERSION));
  }
  return answer(404, kText, "");
}

}  // namespace

HttpServerOptions admin_server_options(const ServiceOptions& service) {
  HttpServerOptions options;
  // "localhost" of the specified health check is ::1 for some resolvers and 127.0.0.1 for others;
  // every resolver that answers ::1 tries 127.0.0.1 next.
  const bool loopback = service.http_listen.empty() || service.http_listen == "localhost";
  options.address = loopback ? "127.0.0.1" : service.http_listen;
  options.port = static_cast<uint16_t>(service.http_port);
  options.max_connections = 64;
  options.max_body_bytes = 4096;
  return options;
}

Result<std::unique_ptr<HttpServer>> start_admin_server(Pipeline& pipeline, const Health& health) {
  return HttpServer::start(admin_server_options(pipeline.service()),
                           HttpFunction([&pipeline, &health, started = system_clock().wall()](
                                            const ServerRequest& request) {
                             return handle(pipeline, health, started, request);
                           }));
}

int ask_for_health(const std::string& url, Milliseconds timeout) {
  const std::unique_ptr<HttpTransport> transport = make_curl_transport();
  HttpRequest request;
  request.url = url;
  const Result<HttpResponse> response =
      transport->send(request, system_clock().monotonic() + timeout);
  if (!response) {
    std::fprintf(stderr, "noroshi health: %s: %s\n", url.c_str(), response.error().message.c_str());
    return 1;
  }
  std::fwrite(response->body.data(), 1, response->body.size(),
              response->status == 200 ? stdout : stderr);
  return response->status == 200 ? 0 : 1;
}

}  // namespace noroshi
