// AdminServer: the HTTP API on 127.0.0.1:2020 (HTTP_Listen and HTTP_Port change that), on a thread
// of its own, so that it answers while everything else is busy. Paths, bodies and metric names are
// Fluent Bit's (README.md lists them and what differs); /api/v1/deliver is ours.
#pragma once

#include <memory>

#include "admin/health.h"
#include "admin/reload_desk.h"
#include "net/http_server.h"
#include "pipeline/pipeline.h"

namespace noroshi {

// "localhost" counts as 127.0.0.1.
[[nodiscard]] HttpServerOptions admin_server_options(const ServiceOptions& service);

// What the API speaks about; everything outlives the server.
struct AdminContext {
  Pipeline& pipeline;
  const Health& health;
  const PluginSet& plugins;
  ReloadDesk& reloads;
};
// Answers one request, without the network. `context.pipeline` must have been started.
[[nodiscard]] ServerResponse answer_admin_request(const AdminContext& context,
                                                  const ServerRequest& request);

// Fails if the port is taken.
[[nodiscard]] Result<std::unique_ptr<HttpServer>> start_admin_server(const AdminContext& context);

// `noroshi health`: asks the router at `url` as curl -f would. 0 healthy, 1 not; prints the
// answer's text.
[[nodiscard]] int ask_for_health(const std::string& url, Milliseconds timeout);

}  // namespace noroshi
