// TLS for the sockets of inputs and outputs, on OpenSSL, with Fluent Bit's option names. TLS 1.2
// and later; certificates are verified unless the user switches that off.
//
//   auto tls = make_tls_server(section, diagnostics);  // null: off, or errors
//   if (tls) listener->use_tls(tls);                   // net/stream_listener.h
//
//   StreamClient::connect(address, make_tls_client(section, diagnostics), deadline);
//
// and in the plugin's list of options:
//
//   return with_tls_server_options(table.options());
//
// OpenSSL stays in tls.cc: including this header costs nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/option_info.h"

extern "C" {
typedef struct ssl_st SSL;  // OpenSSL's, for TlsSession and the HTTP server
}

namespace noroshi {

class Diagnostics;  // config/diagnostics.h
struct Section;     // config/document.h

struct TlsOptions {
  bool enabled = false;
  bool verify = true;               // client: the server's certificate; server: see README.md
  bool verify_hostname = true;      // client: its name too (Fluent Bit's default is off)
  bool verify_client_cert = false;  // server: clients must have a certificate of our authority
  std::string ca_file = {}, ca_path = {};  // empty: the system's authorities
  std::string crt_file = {}, key_file = {}, key_passwd = {};
  std::string vhost = {};        // client: name for SNI and the certificate, instead of the host
  std::string min_version = {};  // "TLSv1.2" or "TLSv1.3"; empty: TLSv1.2
  std::string max_version = {};
  std::string ciphers = {};  // OpenSSL's list, for TLS 1.2
};

// Certificates, keys and rules of one listener or one output, shared by its connections.
// Thread-safe. Files that change (renewed certificates) are read again for new connections; if they
// do not load, the old ones stay and the log says so.
class TlsContext {
 public:
  enum class Role : uint8_t { Server, Client };
  // Reads the files. InvalidArgument names the option that is wrong in front: "tls.crt_file: …".
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> make(Role role, TlsOptions options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  [[nodiscard]] Role role() const;
  [[nodiscard]] const TlsOptions& options() const;
  // A new session, owned by the caller (SSL_free), without a socket. `host`: whom a client connects
  // to.
  [[nodiscard]] Result<SSL*> new_session(const std::string& host = {});

 private:
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// From the `tls…` options of an [INPUT] or [OUTPUT]. Null: TLS is off, or errors were added.
// `on_by_default`: for outputs whose service speaks nothing else.
[[nodiscard]] std::shared_ptr<TlsContext> make_tls_server(const Section& section,
                                                          Diagnostics& diagnostics);
[[nodiscard]] std::shared_ptr<TlsContext> make_tls_client(const Section& section,
                                                          Diagnostics& diagnostics,
                                                          bool on_by_default = false);
// The options without the files.
[[nodiscard]] TlsOptions parse_tls_client_options(const Section& section, Diagnostics& diagnostics,
                                                  bool on_by_default = false);

// `options` with the rows of the TLS options behind them, for --help and the README.
[[nodiscard]] std::vector<OptionInfo> with_tls_server_options(std::vector<OptionInfo> options);
[[nodiscard]] std::vector<OptionInfo> with_tls_client_options(std::vector<OptionInfo> options,
                                                              bool on_by_default = false);

}  // namespace noroshi
