// /_localaws/…: health, summary, requests, faults, lifetime of credentials. For tests and curious
// users; has no authentication, so the server listens on loopback unless told otherwise.
#pragma once

#include <functional>
#include <string>

#include "localaws/faults.h"
#include "localaws/identity_service.h"
#include "localaws/logs_store.h"
#include "localaws/records_store.h"
#include "localaws/request_log.h"
#include "localaws/s3_store.h"
#include "localaws/uri.h"
#include "net/http_server.h"

namespace noroshi::localaws {

inline constexpr std::string_view kAdminPrefix = "/_localaws/";
inline constexpr size_t kAdminBodyBytesMax = 64 * 1024;

struct AdminContext {
  const S3Store& s3;
  const LogsStore& logs;
  RecordsStore& records;
  FaultList& faults;
  RequestLog& requests;
  IdentityContext& identity;
  // Closes the port for that long.
  std::function<void(Milliseconds)> refuse_connections;
};
[[nodiscard]] ServerResponse run_admin_request(const AdminContext& context,
                                               const ServerRequest& head, const Parameters& query,
                                               std::string_view body);

}  // namespace noroshi::localaws
