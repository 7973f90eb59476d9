#include "output/stream_output.h"

#include "output/plugin.h"

namespace noroshi {

std::vector<OptionInfo> with_stream_options(std::vector<OptionInfo> options) {
  return with_connection_options(with_tls_client_options(std::move(options)));
}

KeptConnection make_stream_connection(const ServerOptions& server, std::shared_ptr<TlsContext> tls,
                                      const Section& section, const OutputContext& context,
                                      Diagnostics& diagnostics) {
  StreamAddress address{.host = server.host, .port = static_cast<uint16_t>(server.port)};
  return {std::move(address), std::move(tls), parse_connection_options(section, diagnostics),
          context.clock};
}

Delivery deliver_bytes(KeptConnection& connection, std::string_view bytes, Monotonic deadline) {
  Status sent = connection.send(bytes, deadline);
  if (sent) return Delivery::delivered();
  const bool denied = sent.error().code == ErrorCode::Denied;
  return Delivery::retry(denied ? RetryClass::Auth : RetryClass::Transient,
                         std::move(sent.error().message));
}

}  // namespace noroshi
