// AdminServer: the HTTP API on 127.0.0.1:2020 (HTTP_Listen and HTTP_Port change that), on a thread
// of its own, so that it answers while everything else is busy.
//
//   GET  /                          name and version
//   GET  /api/v1/health             200 or 500, see health.h
//   GET  /api/v1/uptime             as Fluent Bit
//   GET  /api/v1/metrics            JSON, as Fluent Bit
//   GET  /api/v1/metrics/prometheus text, as Fluent Bit, and noroshi_ metrics; also under
//   /api/v2/metrics/prometheus POST /api/v1/deliver            closes and sends all open batches
//   now
#pragma once

#include <memory>

#include "admin/health.h"
#include "net/http_server.h"
#include "pipeline/pipeline.h"

namespace noroshi {

// "localhost" counts as 127.0.0.1.
[[nodiscard]] HttpServerOptions admin_server_options(const ServiceOptions& service);

// `pipeline` and `health` outlive the server. Fails if the port is taken.
[[nodiscard]] Result<std::unique_ptr<HttpServer>> start_admin_server(Pipeline& pipeline,
                                                                     const Health& health);

// `noroshi health`: asks the router at `url` as curl -f would. 0 healthy, 1 not; prints the
// answer's text.
[[nodiscard]] int ask_for_health(const std::string& url, Milliseconds timeout);

}  // namespace noroshi
