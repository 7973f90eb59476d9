// TlsContext and TlsSession: the only place that knows OpenSSL's API (and
// http_server_connection.cc, which hands sessions to Asio).
//
// OpenSSL keeps errors in a queue per thread: it is emptied before each call whose error we read.

#include "net/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "config/values.h"
#include "net/tls_session.h"

namespace noroshi {
namespace {

// How often at most the certificates' files are looked at for changes.
constexpr Seconds kFilesLookedAtEvery{1};

// The first error of this thread's queue, and the queue emptied.
std::string openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  if (const char* reason = ERR_reason_error_string(code)) return reason;
  std::array<char, 256> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

std::unexpected<Error> option_error(std::string_view option, std::string_view what) {
  return fail(ErrorCode::InvalidArgument, fmt::format("{}: {}", option, what));
}

int give_password(char* into, int size, int, void* context) {
  const std::string& password = static_cast<const TlsOptions*>(context)->key_passwd;
  if (password.size() > static_cast<size_t>(size)) return 0;
  password.copy(into, password.size());
  return static_cast<int>(password.size());  // 0: none, and OpenSSL does not ask the terminal
}

// TLS1_2_VERSION …; 0 for a word that is none.
int version_of(std::string_view text) {
  const std::string word = to_lower(text);
  if (word == "tlsv1.2") return TLS1_2_VERSION;
  if (word == "tlsv1.3") return TLS1_3_VERSION;
  return 0;
}

bool is_ip_address(const std::string& host) {
  ASN1_OCTET_STRING* const address = a2i_IPADDRESS(host.c_str());
  ASN1_OCTET_STRING_free(address);
  ERR_clear_error();
  return address != nullptr;
}

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using ContextPointer = std::unique_ptr<SSL_CTX, FreeContext>;

// The authorities the system trusts. Reading them takes 0.2 s: once in a process, when the first
// session of a client that has no others needs them, not for each output while the router starts.
X509_STORE* system_authorities() {
  static X509_STORE* const store = [] {
    X509_STORE* const made = X509_STORE_new();
    X509_STORE_set_default_paths(made);
    ERR_clear_error();
    return made;
  }();
  return store;
}

bool trusts_system(TlsContext::Role role, const TlsOptions& options) {
  return role == TlsContext::Role::Client && options.verify && options.ca_file.empty() &&
         options.ca_path.empty();
}

Status load_authorities(SSL_CTX& context, TlsContext::Role role, const TlsOptions& options) {
  if (!options.ca_file.empty()) {
    if (SSL_CTX_load_verify_file(&context, options.ca_file.c_str()) != 1) {
      return option_error("tls.ca_file",
                          fmt::format("cannot read {}: {}", options.ca_file, openssl_error()));
    }
    // The names a server shows to clients that have several certificates to choose from.
    if (role == TlsContext::Role::Server) {
      SSL_CTX_set_client_CA_list(&context, SSL_load_client_CA_file(options.ca_file.c_str()));
    }
  }
  if (!options.ca_path.empty()) {
    struct stat status{};
    if (::stat(options.ca_path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
      return option_error("tls.ca_path", fmt::format("there is no directory {}", options.ca_path));
    }
    if (SSL_CTX_load_verify_dir(&context, options.ca_path.c_str()) != 1) {
      return option_error("tls.ca_path",
                          fmt::format("cannot use {}: {}", options.ca_path, openssl_error()));
    }
  }
  return {};
}

Status load_certificate(SSL_CTX& context, const TlsOptions& options) {
  if (options.crt_file.empty() && options.key_file.empty()) return {};
  if (options.crt_file.empty()) return option_error("tls.key_file", "tls.crt_file is missing");
  if (SSL_CTX_use_certificate_chain_file(&context, options.crt_file.c_str()) != 1) {
    return option_error("tls.crt_file",
                        fmt::format("cannot read {}: {}", options.crt_file, openssl_error()));
  }
  // One file may hold both.
  const std::string& key = options.key_file.empty() ? options.crt_file : options.key_file;
  SSL_CTX_set_default_passwd_cb(&context, give_password);
  SSL_CTX_set_default_passwd_cb_userdata(&context, const_cast<TlsOptions*>(&options));
  if (SSL_CTX_use_PrivateKey_file(&context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return option_error("tls.key_file", fmt::format("cannot use {}: {}", key, openssl_error()));
  }
  SSL_CTX_set_default_passwd_cb_userdata(&context, nullptr);
  if (SSL_CTX_check_private_key(&context) != 1) {
    return option_error("tls.key_file", fmt::format("{} is not the key of the certificate {}", key,
                                                    options.crt_file));
  }
  return {};
}

Status set_versions(SSL_CTX& context, const TlsOptions& options) {
  int lowest = TLS1_2_VERSION;
  if (!options.min_version.empty()) {
    lowest = version_of(options.min_version);
    if (lowest == 0) {
      return option_error("tls.min_version", fmt::format("\"{}\" is neither TLSv1.2 nor TLSv1.3",
                                                         options.min_version));
    }
  }
  SSL_CTX_set_min_proto_version(&context, lowest);
  if (options.max_version.empty()) return {};
  const int highest = version_of(options.max_version);
  if (highest == 0) {
    return option_error("tls.max_version",
                        fmt::format("\"{}\" is neither TLSv1.2 nor TLSv1.3", options.max_version));
  }
  if (highest < lowest) return option_error("tls.max_version", "is below tls.min_version");
  SSL_CTX_set_max_proto_version(&context, highest);
  return {};
}

Result<ContextPointer> load_context(TlsContext::Role role, const TlsOptions& options) {
  const bool server = role == TlsContext::Role::Server;
  ERR_clear_error();
  ContextPointer context(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  if (!context) return fail(ErrorCode::Exhausted, "tls: " + openssl_error());
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);  // idle connections hold none
  // Peers often just close: records end where their own format says, a cut one is noticed there.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_IGNORE_UNEXPECTED_EOF |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_read_ahead(context.get(), 1);  // one system call per buffer, not two per record
  if (server) {
    // Sessions are resumed by ticket; no cache grows here.
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    static constexpr std::array<unsigned char, 7> kSessionContext = {'n', 'o', 'r', 'o',
                                                                     's', 'h', 'i'};
    SSL_CTX_set_session_id_context(context.get(), kSessionContext.data(), kSessionContext.size());
  }
  NOROSHI_TRY(set_versions(*context, options));
  if (!options.ciphers.empty() &&
      SSL_CTX_set_cipher_list(context.get(), options.ciphers.c_str()) != 1) {
    return option_error(
        "tls.ciphers", fmt::format("\"{}\" names no cipher: {}", options.ciphers, openssl_error()));
  }
  NOROSHI_TRY(load_authorities(*context, role, options));
  NOROSHI_TRY(load_certificate(*context, options));

  int verify = SSL_VERIFY_NONE;
  if (server) {
    const bool authorities_known = !options.ca_file.empty() || !options.ca_path.empty();
    if (options.verify && authorities_known) verify = SSL_VERIFY_PEER;
    if (options.verify_client_cert) verify = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  } else if (options.verify) {
    verify = SSL_VERIFY_PEER;
  }
  SSL_CTX_set_verify(context.get(), verify, nullptr);
  ERR_clear_error();
  return context;
}

// What tells that a file was replaced.
struct FileStamp {
  ino_t inode = 0;
  off_t size = 0;
  int64_t modified_ns = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
using FileStamps = std::array<FileStamp, 4>;

FileStamps stamps_of(const TlsOptions& options) {
  FileStamps stamps;
  size_t index = 0;
  for (const std::string* path :
       {&options.ca_file, &options.ca_path, &options.crt_file, &options.key_file}) {
    FileStamp& stamp = stamps[index++];
    struct stat status{};
    if (path->empty() || ::stat(path->c_str(), &status) != 0) continue;
    stamp = {status.st_ino, status.st_size,
             static_cast<int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec};
  }
  return stamps;
}

// ---- The socket below OpenSSL: its own BIO writes with write(2), which raises SIGPIPE.

int socket_of(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

bool retry_later(int error_number) {
  return error_number == EAGAIN || error_number == EWOULDBLOCK || error_number == EINTR;
}

int bio_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t count =
      ::send(socket_of(bio), bytes, static_cast<size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count < 0 && retry_later(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

int bio_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t count = ::recv(socket_of(bio), into, static_cast<size_t>(size), MSG_DONTWAIT);
  if (count < 0 && retry_later(errno)) BIO_set_retry_read(bio);
  if (count == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(count);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
}

int bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

BIO* make_socket_bio(int socket) {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "noroshi socket");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    BIO_meth_set_create(made, bio_create);
    return made;
  }();
  BIO* const bio = BIO_new(method);
  if (bio != nullptr) BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(socket)));
  return bio;
}

}  // namespace

// ---- TlsContext

struct TlsContext::Impl {
  Role role;
  TlsOptions options;
  Mutex mutex = {};
  ContextPointer context GUARDED_BY(mutex) = {};
  FileStamps stamps GUARDED_BY(mutex) = {};
  Monotonic looked_at GUARDED_BY(mutex) = {};
  LogEpisode reload_failures{};

  void reload_changed_files() REQUIRES(mutex) {
    const Monotonic now = system_clock().monotonic();
    if (now - looked_at < kFilesLookedAtEvery) return;
    looked_at = now;
    const FileStamps found = stamps_of(options);
    if (found == stamps) return;
    auto loaded = load_context(role, options);
    if (!loaded) {  // half replaced, perhaps: looked at again
      if (const auto times = reload_failures.admit()) {
        log_warn("tls", "changed certificates cannot be used, the old ones stay: {} ({} times)",
                 loaded.error().message, times);
      }
      return;
    }
    context = *std::move(loaded);
    stamps = found;
    log_info("tls", "certificates were read again: {}",
             options.crt_file.empty() ? options.ca_file : options.crt_file);
  }
};

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;
TlsContext::Role TlsContext::role() const { return impl_->role; }
const TlsOptions& TlsContext::options() const { return impl_->options; }

Result<std::shared_ptr<TlsContext>> TlsContext::make(Role role, TlsOptions options) {
  FileStamps stamps = stamps_of(options);  // before reading: a change meanwhile is seen later
  NOROSHI_ASSIGN(ContextPointer context, load_context(role, options));
  auto impl = std::unique_ptr<Impl>(new Impl{role, std::move(options)});
  {
    MutexLock lock(impl->mutex);
    impl->context = std::move(context);
    impl->stamps = stamps;
    impl->looked_at = system_clock().monotonic();
  }
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

Result<SSL*> TlsContext::new_session(const std::string& host) {
  SSL* session = nullptr;
  {
    MutexLock lock(impl_->mutex);
    impl_->reload_changed_files();
    session = SSL_new(impl_->context.get());  // keeps the context it was made from
  }
  if (session == nullptr) return fail(ErrorCode::Exhausted, "TLS: " + openssl_error());
  if (impl_->role == Role::Server) {
    SSL_set_accept_state(session);
    return session;
  }
  SSL_set_connect_state(session);
  if (trusts_system(impl_->role, impl_->options)) {
    SSL_set1_verify_cert_store(session, system_authorities());
  }
  const std::string& name = impl_->options.vhost.empty() ? host : impl_->options.vhost;
  const bool address = is_ip_address(name);
  if (!name.empty() && !address) SSL_set_tlsext_host_name(session, name.c_str());
  if (impl_->options.verify && impl_->options.verify_hostname && !name.empty()) {
    X509_VERIFY_PARAM* const rules = SSL_get0_param(session);
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = address ? X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str())
                            : X509_VERIFY_PARAM_set1_host(rules, name.c_str(), name.size());
    if (set != 1) {
      SSL_free(session);
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("TLS: \"{}\" is no name a certificate can have", name));
    }
  }
  return session;
}

// ---- TlsSession

Result<std::unique_ptr<TlsSession>> TlsSession::make(TlsContext& context, int socket,
                                                     const std::string& host) {
  NOROSHI_ASSIGN(SSL * ssl, context.new_session(host));
  std::unique_ptr<TlsSession> session(
      new TlsSession(ssl, context.role() == TlsContext::Role::Client));
  BIO* const bio = make_socket_bio(socket);
  if (bio == nullptr) return fail(ErrorCode::Exhausted, "TLS: " + openssl_error());
  SSL_set_bio(ssl, bio, bio);
  return session;
}

TlsSession::~TlsSession() {
  ERR_clear_error();
  if (established_ && !broken_) SSL_shutdown(ssl_);
  ERR_clear_error();
  SSL_free(ssl_);
}

Error TlsSession::handshake_error(int ssl_error) const {
  if (ssl_error == SSL_ERROR_ZERO_RETURN ||
      (ssl_error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0)) {
    return {ErrorCode::Io, "the peer closed the connection in the middle of the TLS handshake"};
  }
  const long verified = SSL_get_verify_result(ssl_);
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  if (verified != X509_V_OK && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    ERR_clear_error();
    return {ErrorCode::Denied,
            fmt::format("the {}'s certificate is refused: {}", client_ ? "server" : "client",
                        X509_verify_cert_error_string(verified))};
  }
  if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    ERR_clear_error();
    return {ErrorCode::Denied, "the client has no certificate, and tls.verify_client_cert is on"};
  }
  if (reason == SSL_R_HTTP_REQUEST || reason == SSL_R_WRONG_VERSION_NUMBER ||
      reason == SSL_R_RECORD_LENGTH_MISMATCH || reason == SSL_R_PACKET_LENGTH_TOO_LONG) {
    return {ErrorCode::Corrupt,
            fmt::format("the peer does not speak TLS (OpenSSL: {})", openssl_error())};
  }
  // "sslv3 alert …", "tlsv1 alert …": the peer's own words about us.
  const bool alert = ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET;
  return {alert ? ErrorCode::Denied : ErrorCode::Corrupt,
          fmt::format("the TLS handshake failed{}: {}", alert ? " at the peer's wish" : "",
                      openssl_error())};
}

Result<TlsSession::Wants> TlsSession::handshake() {
  ERR_clear_error();
  const int outcome = SSL_do_handshake(ssl_);
  if (outcome == 1) {
    established_ = true;
    may_have_more_ = true;  // the peer's first bytes may have come with its last handshake message
    return Wants::Nothing;
  }
  const int error = SSL_get_error(ssl_, outcome);
  if (error == SSL_ERROR_WANT_READ) return Wants::Readable;
  if (error == SSL_ERROR_WANT_WRITE) return Wants::Writable;
  broken_ = true;
  return std::unexpected(handshake_error(error));
}

Result<TlsSession::Progress> TlsSession::read(std::span<char> into) {
  Progress progress;
  while (progress.bytes < into.size()) {
    if (broken_) {
      if (progress.bytes != 0) return progress;
      return fail(ErrorCode::Io, "the TLS connection is broken");
    }
    ERR_clear_error();
    size_t count = 0;
    const int outcome =
        SSL_read_ex(ssl_, into.data() + progress.bytes, into.size() - progress.bytes, &count);
    if (outcome == 1) {
      progress.bytes += count;
      continue;
    }
    may_have_more_ = false;
    switch (const int error = SSL_get_error(ssl_, outcome)) {
      case SSL_ERROR_WANT_READ:
        if (progress.bytes == 0) progress.wants = Wants::Readable;
        return progress;
      case SSL_ERROR_WANT_WRITE:
        if (progress.bytes == 0) progress.wants = Wants::Writable;
        return progress;
      case SSL_ERROR_ZERO_RETURN:
        may_have_more_ = true;  // the end, which the caller has not seen yet
        return progress;
      default:
        broken_ = true;
        may_have_more_ = true;
        if (progress.bytes != 0) return progress;
        if (error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0)
          return fail_errno(errno, "the TLS connection broke");
        return fail(ErrorCode::Io, "the TLS connection broke: " + openssl_error());
    }
  }
  may_have_more_ = true;
  return progress;
}

bool TlsSession::has_input() {
  if (broken_) return true;
  ERR_clear_error();
  char byte = 0;
  size_t count = 0;
  const int outcome = SSL_peek_ex(ssl_, &byte, 1, &count);
  if (outcome == 1) return true;
  const int error = SSL_get_error(ssl_, outcome);
  ERR_clear_error();
  return error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
}

Result<TlsSession::Progress> TlsSession::write(std::string_view bytes) {
  if (broken_) return fail(ErrorCode::Io, "the TLS connection is broken");
  if (bytes.empty()) return Progress{};
  ERR_clear_error();
  Progress progress;
  const int outcome = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &progress.bytes);
  if (outcome == 1) return progress;
  progress.bytes = 0;
  const int error = SSL_get_error(ssl_, outcome);
  if (error == SSL_ERROR_WANT_READ) progress.wants = Wants::Readable;
  if (error == SSL_ERROR_WANT_WRITE) progress.wants = Wants::Writable;
  if (progress.wants != Wants::Nothing) return progress;
  broken_ = true;
  if (error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0)
    return fail_errno(errno, "the TLS connection broke");
  return fail(ErrorCode::Io, "the TLS connection broke: " + openssl_error());
}

}  // namespace noroshi
