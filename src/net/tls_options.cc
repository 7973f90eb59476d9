// The TLS options of plugins: their rows, and what stands between a section and a TlsContext.

#include "config/diagnostics.h"
#include "config/document.h"
#include "config/option_table.h"
#include "net/tls.h"

namespace noroshi {
namespace {

using Role = TlsContext::Role;

class TlsTable : public OptionTable<TlsOptions> {
 public:
  TlsTable(Role role, bool on_by_default) : OptionTable("tls", "Options of TLS.") {
    using O = TlsOptions;
    const bool client = role == Role::Client;
    option("tls", &O::enabled, on_by_default ? "on" : "off",
           client ? "Use TLS." : "Clients must use TLS.")
        .last_wins();
    option("tls.verify", &O::verify, "on",
           client ? "Check the server's certificate."
                  : "Check a client's certificate, if it sends one and tls.ca_file says whose are "
                    "good.")
        .last_wins();
    if (client) {
      option(
          "tls.verify_hostname", &O::verify_hostname, "on",
          "Check the name in the server's certificate as well. (Fluent Bit's default is off: any "
          "certificate of a trusted authority passes.)")
          .last_wins()
          .option("tls.vhost", &O::vhost,
                  "Name for SNI and the certificate's check, instead of the host.")
          .last_wins();
    } else {
      option("tls.verify_client_cert", &O::verify_client_cert, "off",
             "Clients must have a certificate of tls.ca_file's (mutual TLS).")
          .last_wins();
    }
    option("tls.ca_file", &O::ca_file,
           client ? "Certificates of trusted authorities (PEM). Default: the system's."
                  : "Certificates of the authorities of clients (PEM).")
        .last_wins()
        .option("tls.ca_path", &O::ca_path,
                "Directory of such certificates, named as openssl rehash does.")
        .last_wins()
        .option("tls.crt_file", &O::crt_file,
                client ? "Our certificate, for servers that ask for one (PEM, with its chain)."
                       : "The server's certificate (PEM, with its chain). Needed.")
        .last_wins()
        .option("tls.key_file", &O::key_file,
                client ? "Its private key (PEM)." : "Its private key (PEM). Needed.")
        .last_wins()
        .option("tls.key_passwd", &O::key_passwd, "Password of the key file.")
        .last_wins()
        .option("tls.min_version", &O::min_version, "TLSv1.2",
                "TLSv1.2 or TLSv1.3; older ones are read as TLSv1.2, with a warning.")
        .last_wins()
        .option("tls.max_version", &O::max_version, "TLSv1.2 or TLSv1.3. Default: the newest.")
        .last_wins()
        .option("tls.ciphers", &O::ciphers, "Ciphers for TLS 1.2, as OpenSSL lists them.")
        .last_wins();
    ignored("tls.debug", "accepted; a failed handshake is logged with its reason always");
    if (client) {
      ignored("tls.verify_client_cert", "accepted; it is for inputs");
    } else {
      ignored("tls.vhost", "accepted; it is for outputs");
      ignored("tls.verify_hostname", "accepted; it is for outputs");
    }
  }

  [[nodiscard]] TlsOptions parse(const Section& section, Diagnostics& diagnostics) const {
    TlsOptions options;
    parse_known(&options, section, diagnostics);
    return options;
  }
};

const TlsTable& table_of(Role role, bool on_by_default = false) {
  static const TlsTable server(Role::Server, false);
  static const TlsTable client(Role::Client, false);
  static const TlsTable client_on(Role::Client, true);
  if (role == Role::Server) return server;
  return on_by_default ? client_on : client;
}

// Fluent Bit's names of versions below 1.2 are legal and mean "nothing is too old".
void raise_old_version(const Section& section, TlsOptions& options, Diagnostics& diagnostics) {
  const std::string version = to_lower(options.min_version);
  if (version != "tlsv1" && version != "tlsv1.0" && version != "tlsv1.1") return;
  diagnostics
      .warning(section.where_of("tls.min_version"),
               options.min_version + " is not offered any more: read as TLSv1.2")
      .help("leave tls.min_version out");
  options.min_version = "TLSv1.2";
}

std::shared_ptr<TlsContext> make(Role role, const Section& section, Diagnostics& diagnostics,
                                 bool on_by_default) {
  const size_t errors_before = diagnostics.error_count();
  TlsOptions options = table_of(role, on_by_default).parse(section, diagnostics);
  if (!options.enabled || diagnostics.error_count() != errors_before) return nullptr;
  raise_old_version(section, options, diagnostics);
  if (role == Role::Server && (options.crt_file.empty() || options.key_file.empty())) {
    diagnostics
        .error(section.where_of("tls"), "a server with TLS needs tls.crt_file and tls.key_file")
        .help(
            "for a trial: openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 30 "
            "-keyout key.pem -out crt.pem");
    return nullptr;
  }
  if (role == Role::Server && options.verify_client_cert && options.ca_file.empty() &&
      options.ca_path.empty()) {
    diagnostics
        .error(section.where_of("tls.verify_client_cert"),
               "tls.verify_client_cert needs tls.ca_file or tls.ca_path")
        .help("without them anybody with a certificate of any public authority would be let in");
    return nullptr;
  }
  auto context = TlsContext::make(role, options);
  if (context) return *std::move(context);
  const std::string& message = context.error().message;
  diagnostics.error(section.where_of(message.substr(0, message.find(':'))), message);
  return nullptr;
}

std::vector<OptionInfo> with_rows(std::vector<OptionInfo> options, const OptionTableBase& table) {
  options.insert(options.end(), table.options().begin(), table.options().end());
  return options;
}

}  // namespace

std::shared_ptr<TlsContext> make_tls_server(const Section& section, Diagnostics& diagnostics) {
  return make(Role::Server, section, diagnostics, false);
}

std::shared_ptr<TlsContext> make_tls_client(const Section& section, Diagnostics& diagnostics,
                                            bool on_by_default) {
  return make(Role::Client, section, diagnostics, on_by_default);
}

TlsOptions parse_tls_client_options(const Section& section, Diagnostics& diagnostics,
                                    bool on_by_default) {
  TlsOptions options = table_of(Role::Client, on_by_default).parse(section, diagnostics);
  if (options.enabled) raise_old_version(section, options, diagnostics);
  return options;
}

std::vector<OptionInfo> with_tls_server_options(std::vector<OptionInfo> options) {
  return with_rows(std::move(options), table_of(Role::Server));
}

std::vector<OptionInfo> with_tls_client_options(std::vector<OptionInfo> options,
                                                bool on_by_default) {
  return with_rows(std::move(options), table_of(Role::Client, on_by_default));
}

}  // namespace noroshi
