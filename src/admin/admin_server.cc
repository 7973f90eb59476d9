#include "admin/admin_server.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "admin/api_text.h"
#include "admin/cost_report.h"
#include "base/secrets.h"
#include "http/http_client.h"
#include "http/url.h"
#include "pipeline/metric_collection.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

// A reload compiles regular expressions and parsers: milliseconds; the main thread may be busy.
constexpr Nanoseconds kReloadPatience = Seconds(20);

ServerResponse answer(int status, std::string_view type, std::string body) {
  return {
      .status = status, .headers = {{"Content-Type", std::string(type)}}, .body = std::move(body)};
}
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kPrometheus = "text/plain; version=0.0.4";

ServerResponse reload(const AdminContext& context, const ServerRequest& request) {
  using Outcome = ReloadResult::Outcome;
  if (request.method == "GET") {
    return answer(200, kJson,
                  fmt::format("{{\"hot_reload_count\":{}}}", context.pipeline.reloads()));
  }
  if (request.method != "POST" && request.method != "PUT") {
    ServerResponse refused = answer(405, kText, "");
    refused.headers.push_back({"Allow", "GET, POST, PUT"});
    return refused;
  }
  const ReloadResult result = context.reloads.ask(kReloadPatience);
  switch (result.outcome) {
    case Outcome::Done: {
      std::string body = "{\"reload\":\"done\",\"status\":0";
      if (!result.diagnostics.empty()) {
        body += ",\"diagnostics\":";
        write_json_string(body, result.diagnostics);
      }
      return answer(200, kJson, body + "}");
    }
    case Outcome::NotEnabled:
      return answer(200, kJson, "{\"reload\":\"not enabled\",\"status\":-1}");
    case Outcome::InProgress:
      return answer(400, kJson, "{\"reload\":\"in progress\",\"status\":-2}");
    case Outcome::Refused:
      break;
  }
  std::string body = "{\"reload\":\"refused, the old configuration runs on\",\"status\":-3,";
  body += "\"diagnostics\":";
  write_json_string(body, result.diagnostics);
  return answer(400, kJson, body + "}");
}

ServerResponse metrics(const Pipeline& pipeline, std::string_view path)
    REQUIRES_SHARED(pipeline.instances_mutex()) {
  const Timestamp now = system_clock().wall();
  MetricFamilies families;
  if (path == "/api/v1/metrics/prometheus") {
    MetricFamilies others;
    collect_v1(pipeline, families);
    collect_v1_process(pipeline, others);
    collect_own(pipeline, others);
    // The metrics recipe of aws-for-fluent-bit reads these lines with a regular expression that
    // wants the time in milliseconds behind the value.
    const int64_t now_ms = std::chrono::duration_cast<Milliseconds>(now.time_since_epoch()).count();
    return answer(200, kPrometheus,
                  render_prometheus(families.all(), {.timestamp_ms = now_ms, .labels = {}}) +
                      render_prometheus(others.all()));
  }
  collect_v2(pipeline, families);
  collect_own(pipeline, families);
  if (path == "/api/v2/metrics/prometheus")
    return answer(200, kPrometheus, render_prometheus(families.all()));
  return answer(200, kText, render_metric_lines(families.all(), now.time_since_epoch()));
}

ServerResponse cost(const Pipeline& pipeline, const ServerRequest& request)
    REQUIRES_SHARED(pipeline.instances_mutex()) {
  const char* own = std::getenv("AWS_REGION");
  std::string region = own != nullptr ? own : "";
  for (auto& [name, value] : parse_query(request.query())) {
    if (name == "region") region = std::move(value);
  }
  const Result<std::string> report =
      cost_report(take_cost_facts(pipeline, system_clock().wall()), region);
  if (report) return answer(200, kJson, *report);
  std::string body = "{\"error\":";
  write_json_string(body, report.error().message);
  return answer(report.error().code == ErrorCode::Unavailable ? 503 : 400, kJson, body + "}\n");
}

}  // namespace

ServerResponse answer_admin_request(const AdminContext& context, const ServerRequest& request) {
  const std::string_view path = request.path();
  // Before the hold: the answer comes from the reload itself.
  if (path == "/api/v2/reload") return reload(context, request);
  Pipeline& pipeline = context.pipeline;
  const Pipeline::Hold hold(pipeline.instances_mutex());
  if (path == "/") return answer(200, kJson, about_json());
  if (path == "/api/v1/deliver") {
    if (request.method != "POST") {
      ServerResponse refused = answer(405, kText, "POST only\n");
      refused.headers.push_back({"Allow", "POST"});
      return refused;
    }
    pipeline.deliver_now();
    return answer(200, kJson, "{\"deliver\":\"requested\"}\n");
  }
  // From here on the method does not matter, as in Fluent Bit.
  if (path == "/api/v1/health") {
    const HealthStatus status = context.health.status();
    return answer(status.healthy ? 200 : 500, kText, status.text + "\n");
  }
  if (path == "/api/v2/health") {
    const HealthStatus status = context.health.status();
    return answer(status.healthy ? 200 : 500, kJson, health_json(status));
  }
  if (path == "/api/v1/uptime") {
    return answer(200, kJson,
                  uptime_json(std::chrono::duration_cast<Seconds>(system_clock().wall() -
                                                                  pipeline.started())));
  }
  if (path == "/api/v1/metrics") return answer(200, kJson, metrics_json(pipeline));
  if (path == "/api/v1/metrics/prometheus" || path == "/api/v2/metrics" ||
      path == "/api/v2/metrics/prometheus") {
    return metrics(pipeline, path);
  }
  if (path == "/api/noroshi/v1/cost") return cost(pipeline, request);
  if (path == "/api/v1/storage") return answer(200, kJson, storage_json(pipeline));
  if (path == "/api/v1/plugins") return answer(200, kJson, plugins_json(context.plugins));
  if (path.starts_with("/api/v1/trace/") || path == "/api/v1/traces/") {
    return answer(501, kJson,
                  "{\"status\":501,\"message\":\"there is no chunk tracing: `noroshi journal dump` "
                  "shows the records that wait\"}");
  }
  return answer(404, kText, "");
}

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

Result<std::unique_ptr<HttpServer>> start_admin_server(const AdminContext& context) {
  return HttpServer::start(admin_server_options(context.pipeline.service()),
                           HttpFunction([context](const ServerRequest& request) {
                             ServerResponse answer = answer_admin_request(context, request);
                             answer.body = without_secrets(std::move(answer.body));
                             return answer;
                           }));
}

int ask_for_health(const std::string& url, Milliseconds timeout) {
  // The router is in this container: a proxy for the world outside would not find it.
  const std::unique_ptr<HttpTransport> transport =
      make_http_transport({.use_proxy_environment = false});
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
