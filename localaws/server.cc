#include "localaws/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <atomic>
#include <cerrno>
#include <optional>

#include "base/log.h"
#include "localaws/admin.h"
#include "localaws/data_directory.h"
#include "localaws/faults.h"
#include "localaws/hashes.h"
#include "localaws/identity_service.h"
#include "localaws/logs_service.h"
#include "localaws/records_service.h"
#include "localaws/request_log.h"
#include "localaws/s3_service.h"
#include "localaws/signature.h"
#include "net/http_server.h"

namespace noroshi::localaws {
namespace {

constexpr size_t kStsBodyBytesMax = 64 * 1024;
constexpr Milliseconds kRefuseDelay{100};  // the admin answer leaves first
constexpr std::string_view kLogsTarget = "Logs_20140328.";
constexpr std::string_view kFirehoseTarget = "Firehose_20150804.";
constexpr std::string_view kKinesisTarget = "Kinesis_20131202.";

enum class Kind { S3, Logs, Firehose, Kinesis, Sts, Credentials, Admin };

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::S3:
      return "s3";
    case Kind::Logs:
      return "logs";
    case Kind::Firehose:
      return "firehose";
    case Kind::Kinesis:
      return "kinesis";
    case Kind::Sts:
      return "sts";
    case Kind::Credentials:
      return "credentials";
    case Kind::Admin:
      break;
  }
  return "admin";
}

Kind kind_of(const ServerRequest& head, const Parameters& query) {
  if (head.path().starts_with(kAdminPrefix)) return Kind::Admin;
  if (is_container_path(head.path())) return Kind::Credentials;
  if (head.header("x-amz-target").starts_with(kLogsTarget)) return Kind::Logs;
  if (head.header("x-amz-target").starts_with(kFirehoseTarget)) return Kind::Firehose;
  if (head.header("x-amz-target").starts_with(kKinesisTarget)) return Kind::Kinesis;
  if (const auto claimed = claimed_signature(head, query, Service::S3)) {
    if (claimed->service == "sts") return Kind::Sts;
    if (claimed->service == "logs") return Kind::Logs;
    return Kind::S3;
  }
  const bool form = head.header("content-type").starts_with("application/x-www-form-urlencoded");
  const bool root = head.path() == "/";
  if (root && ((head.method == "POST" && form) || find_parameter(query, "Action"))) {
    return Kind::Sts;
  }
  return Kind::S3;
}

// Collects a small body, then answers.
class CommandExchange final : public HttpExchange {
 public:
  using Run = std::function<ServerResponse(std::string_view body)>;
  CommandExchange(size_t limit, Run run) : limit_(limit), run_(std::move(run)) {}

  bool take(std::string_view piece) override {
    too_large_ = too_large_ || body_.size() + piece.size() > limit_;
    if (!too_large_) body_.append(piece);
    return !too_large_;
  }
  ServerResponse finish() override {
    if (too_large_) {
      return {.status = 413,
              .headers = {{"Content-Type", "text/plain"}},
              .body = fmt::format("the body is larger than {} bytes\n", limit_)};
    }
    return run_(body_);
  }

 private:
  const size_t limit_;
  const Run run_;
  std::string body_;
  bool too_large_ = false;
};

// An error code out of an answer of ours, for the request log.
std::string error_code(const ServerResponse& response) {
  if (response.status < 300) return {};
  for (const ServerHeader& header : response.headers) {
    if (header.name == "x-amzn-ErrorType") return header.value;
  }
  static constexpr std::string_view kOpen = "<Code>";
  const size_t begin = response.body.find(kOpen);
  const size_t end = response.body.find("</Code>");
  if (begin == std::string::npos || end == std::string::npos) return {};
  return response.body.substr(begin + kOpen.size(), end - begin - kOpen.size());
}

}  // namespace

class LocalAws::Implementation {
 public:
  Implementation(Options options, const Clock& clock)
      : options_(std::move(options)),
        clock_(clock),
        issuer_(options_.access_key, options_.secret_key, options_.account_id),
        policy_{issuer_, options_.region},
        region_(options_.region.empty() ? "us-east-1" : options_.region),
        faults_(clock, options_.seed != 0 ? options_.seed : std::random_device{}()),
        identity_{issuer_, policy_, clock, region_, options_.container_token} {}

  Status start() {
    NOROSHI_TRY(make_directories(options_.data));
    NOROSHI_TRY(lock_directory());
    NOROSHI_ASSIGN(s3_, S3Store::open(options_.data, clock_));
    NOROSHI_ASSIGN(logs_, LogsStore::open(options_.data, clock_));
    NOROSHI_ASSIGN(records_, RecordsStore::open(options_.data, clock_));
    records_context_.emplace(RecordsContext{*records_, clock_, options_.account_id});
    s3_context_.emplace(S3Context{*s3_, policy_, clock_});
    logs_context_.emplace(LogsContext{*logs_, clock_, options_.account_id});
    admin_context_.emplace(AdminContext{
        *s3_, *logs_, *records_, faults_, requests_, identity_,
        [this](Milliseconds duration) { http_->refuse_connections(duration, kRefuseDelay); }});
    NOROSHI_TRY(make_buckets_and_groups());
    NOROSHI_TRY(make_streams(RecordsService::Firehose, options_.delivery_streams));
    NOROSHI_TRY(make_streams(RecordsService::Kinesis, options_.streams));
    HttpServerOptions http;
    http.address = options_.address;
    http.port = options_.port;
    http.threads = options_.threads;
    http.max_connections = options_.connections;
    http.server_name = "noroshi-localaws";
    NOROSHI_ASSIGN(http_, HttpServer::start(http, HttpExchangeFactory([this](ServerRequest head) {
                                              return open(std::move(head));
                                            })));
    return {};
  }

  uint16_t port() const { return http_->port(); }
  void stop(Milliseconds grace) {
    if (http_) http_->stop(grace);
  }

 private:
  class Exchange;

  Status lock_directory() {
    const std::string path = options_.data + "/lock";
    lock_ = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!lock_.valid()) return fail_errno(errno, fmt::format("cannot open {}", path));
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      return fail(ErrorCode::Io,
                  fmt::format("{} belongs to a running noroshi-localaws; give another "
                              "--data directory",
                              options_.data));
    }
    return {};
  }

  Status make_buckets_and_groups() {
    for (const std::string& bucket : options_.buckets) {
      const auto made = s3_->create_bucket(bucket, region_);
      if (!made && made.error().status != 409) {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("--bucket {}: {}", bucket, made.error().message));
      }
    }
    for (const std::string& group : options_.log_groups) {
      const auto made = logs_->create_group({.name = group});
      if (!made && made.error().code != "ResourceAlreadyExistsException") {
        return fail(ErrorCode::InvalidArgument,
                    fmt::format("--log-group {}: {}", group, made.error().message));
      }
    }
    return {};
  }

  Status make_streams(RecordsService service, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const auto made = records_->create(service, name);
      if (!made && made.error().code != "ResourceInUseException")
        return fail(ErrorCode::InvalidArgument, fmt::format("{}: {}", name, made.error().message));
    }
    return {};
  }

  std::unique_ptr<HttpExchange> open(ServerRequest head);
  ServerResponse run_records(RecordsService service, const ServerRequest& head,
                             const Parameters& query, std::string_view operation,
                             std::string_view body, const std::optional<Fault>& fault,
                             std::string_view request_id);
  ServerResponse run_logs(const ServerRequest& head, const Parameters& query,
                          std::string_view operation, std::string_view body,
                          std::string_view request_id);
  static ServerResponse error_response(Kind kind, const AwsError& error, const ServerRequest& head,
                                       std::string_view request_id);
  std::string next_request_id(Kind kind);

  const Options options_;
  const Clock& clock_;
  const CredentialIssuer issuer_;
  const SignaturePolicy policy_;
  const std::string region_;
  FaultList faults_;
  RequestLog requests_;
  IdentityContext identity_;
  UniqueFd lock_;
  std::unique_ptr<S3Store> s3_;
  std::unique_ptr<LogsStore> logs_;
  std::unique_ptr<RecordsStore> records_;
  std::optional<S3Context> s3_context_;
  std::optional<LogsContext> logs_context_;
  std::optional<RecordsContext> records_context_;
  std::optional<AdminContext> admin_context_;
  std::unique_ptr<HttpServer> http_;  // last: its threads end before what they use
};

// Wraps the exchange of a service: throws the dice for faults, and writes the request log.
class LocalAws::Implementation::Exchange final : public HttpExchange {
 public:
  Exchange(Implementation& server, ServerRequest head, Parameters query, Kind kind)
      : server_(server),
        head_(std::move(head)),
        query_(std::move(query)),
        kind_(kind),
        request_id_(server.next_request_id(kind)),
        wall_start_(server.clock_.wall()),
        start_(server.clock_.monotonic()) {
    switch (kind_) {
      case Kind::S3:
        open_s3();
        break;
      case Kind::Logs:
        operation_ = std::string(head_.header("x-amz-target"));
        if (operation_.starts_with(kLogsTarget)) operation_.erase(0, kLogsTarget.size());
        choose_fault();
        inner_ = command(kLogsBodyBytesMax, [this](std::string_view body) {
          return server_.run_logs(head_, query_, operation_, body, request_id_);
        });
        break;
      case Kind::Firehose:
      case Kind::Kinesis: {
        const std::string_view target = head_.header("x-amz-target");
        operation_ = std::string(target.substr(target.find('.') + 1));
        choose_fault();
        inner_ = command(kRecordsBodyBytesMax, [this](std::string_view body) {
          return server_.run_records(
              kind_ == Kind::Firehose ? RecordsService::Firehose : RecordsService::Kinesis, head_,
              query_, operation_, body, chosen_.fault, request_id_);
        });
        break;
      }
      case Kind::Sts:
        inner_ = command(kStsBodyBytesMax, [this](std::string_view body) { return run_sts(body); });
        break;
      case Kind::Credentials:
        operation_ = std::string(container_operation(head_.path()));
        choose_fault();
        inner_ = command(0, [this](std::string_view) {
          return run_container_request(server_.identity_, head_);
        });
        break;
      case Kind::Admin:
        inner_ = command(kAdminBodyBytesMax, [this](std::string_view body) {
          return run_admin_request(*server_.admin_context_, head_, query_, body);
        });
        break;
    }
  }

  bool wants_body() override { return !processes() ? false : inner_->wants_body(); }

  bool take(std::string_view piece) override {
    request_bytes_ += piece.size();
    return inner_->take(piece);
  }

  ServerResponse finish() override {
    ServerResponse response = processes() ? inner_->finish() : broken_answer();
    // STS knows its operation, and so its fault, only now.
    if (chosen_.fault) {
      switch (chosen_.fault->action) {
        case FaultAction::ResetAfter:
          response.sending = Sending::Reset;
          break;
        case FaultAction::HalfOpenAfter:
          response.sending = Sending::Never;
          break;
        case FaultAction::Truncate:
          response.sending = Sending::Truncated;
          break;
        default:
          break;
      }
    }
    response.delay = chosen_.latency;
    if (kind_ != Kind::Admin) log(response);
    return response;
  }

 private:
  static std::unique_ptr<HttpExchange> command(size_t limit, CommandExchange::Run run) {
    return std::make_unique<CommandExchange>(limit, std::move(run));
  }

  void open_s3() {
    auto address = s3_address(
        head_, query_, [this](std::string_view bucket) { return server_.s3_->has_bucket(bucket); });
    if (!address) {
      operation_ = "Unknown";
      choose_fault();
      inner_ = command(kAdminBodyBytesMax, [this, error = address.error()](std::string_view) {
        return s3_error(error, head_, request_id_);
      });
      return;
    }
    operation_ = address->operation;
    target_ = address->bucket + (address->key.empty() ? "" : "/" + address->key);
    choose_fault();
    if (!processes()) return;  // nothing may be made on disk for it
    inner_ =
        open_s3_exchange(*server_.s3_context_, head_, query_, *std::move(address), request_id_);
  }

  ServerResponse run_sts(std::string_view body) {
    const bool in_query = find_parameter(query_, "Action") != nullptr;
    auto form = in_query ? std::optional(query_) : parse_query(body);
    if (!form) {
      return sts_error({400, "MalformedQueryString", "The form is not well encoded"}, request_id_);
    }
    const std::string* action = find_parameter(*form, "Action");
    operation_ = action ? *action : "Unknown";
    choose_fault();
    if (!processes()) return broken_answer();
    return run_sts_operation(server_.identity_, head_, query_, *form, body, request_id_);
  }

  void choose_fault() {
    chosen_ = server_.faults_.choose(name_of(kind_), operation_, head_.header("content-encoding"));
  }

  // False: a fault answers, the service does not see the request.
  bool processes() const {
    if (!chosen_.fault) return true;
    switch (chosen_.fault->action) {
      case FaultAction::None:
      case FaultAction::Partial:
      case FaultAction::ResetAfter:
      case FaultAction::HalfOpenAfter:
      case FaultAction::Truncate:
        return true;
      default:
        return false;
    }
  }

  ServerResponse broken_answer() {
    const Fault& fault = *chosen_.fault;
    const std::string_view service = name_of(kind_);
    switch (fault.action) {
      case FaultAction::ResetBefore:
        return {.sending = Sending::Reset};
      case FaultAction::HalfOpen:
        return {.sending = Sending::Never};
      case FaultAction::Garbage:
        return {.headers = {{"Content-Type", "text/html"}},
                .body =
                    "<!DOCTYPE html><html><body>\x01 This is not the service you are looking "
                    "for.</body></html>\n"};
      default:
        break;
    }
    AwsError error{fault.status != 0 ? fault.status : usual_status(service, fault.error),
                   fault.error, fault.message.empty() ? usual_message(fault.error) : fault.message};
    if (error.code == "InvalidSequenceTokenException" ||
        error.code == "DataAlreadyAcceptedException") {
      error.details = {{"expectedSequenceToken", std::string(56, '7')}};
    }
    ServerResponse response = error_response(kind_, error, head_, request_id_);
    if (fault.action == FaultAction::ErrorIn200) {
      response.status = 200;
      // S3 sends the declaration, keeps the connection alive with white space, and only then knows.
      const size_t end = response.body.find("?>");
      if (end != std::string::npos) response.body.insert(end + 2, "\n   \n");
    }
    return response;
  }

  void log(const ServerResponse& response) {
    RequestEntry entry{.time = wall_start_,
                       .service = std::string(name_of(kind_)),
                       .operation = operation_,
                       .target = target_,
                       .status = response.status,
                       .error = error_code(response),
                       .request_bytes = request_bytes_,
                       .response_bytes = response.body.size()};
    if (response.file) entry.response_bytes += response.file->bytes;
    if (chosen_.fault) entry.fault = std::string(to_string(chosen_.fault->action));
    if (response.sending == Sending::Reset || response.sending == Sending::Never) entry.status = 0;
    entry.milliseconds =
        std::chrono::duration<double, std::milli>(server_.clock_.monotonic() - start_).count();
    log_debug("localaws", "{} {} {} {} {}", entry.service, entry.operation, entry.target,
              entry.status, entry.error);
    server_.requests_.add(std::move(entry));
  }

  Implementation& server_;
  const ServerRequest head_;
  const Parameters query_;
  const Kind kind_;
  const std::string request_id_;
  const Timestamp wall_start_;
  const Monotonic start_;
  std::string operation_, target_;
  FaultList::Chosen chosen_;
  std::unique_ptr<HttpExchange> inner_;
  uint64_t request_bytes_ = 0;
};

std::unique_ptr<HttpExchange> LocalAws::Implementation::open(ServerRequest head) {
  auto query = parse_query(head.query());
  if (!query) {
    return std::make_unique<CommandExchange>(0, [this, head](std::string_view) {
      return s3_error({400, "InvalidURI", "Couldn't parse the specified URI."}, head,
                      next_request_id(Kind::S3));
    });
  }
  const Kind kind = kind_of(head, *query);
  return std::make_unique<Exchange>(*this, std::move(head), *std::move(query), kind);
}

ServerResponse LocalAws::Implementation::run_logs(const ServerRequest& head,
                                                  const Parameters& query,
                                                  std::string_view operation, std::string_view body,
                                                  std::string_view request_id) {
  const auto run = [&]() -> Answer<std::string> {
    if (head.method != "POST" || head.path() != "/") {
      return refuse(404, "UnknownOperationException", "CloudWatch Logs takes POST / only");
    }
    NOROSHI_ASSIGN(const ClaimedSignature claimed, claimed_signature(head, query, Service::Logs));
    NOROSHI_ASSIGN(
        const VerifiedSignature verified,
        verify_signature(head, query, claimed, Service::Logs,
                         hex(hash(HashAlgorithm::Sha256, body)), policy_, clock_.wall()));
    const std::string_view encoding = head.header("content-encoding");
    if (encoding.empty())
      return run_logs_operation(*logs_context_, operation, body, verified.region);
    if (encoding != "gzip") {
      return refuse(400, "SerializationException",
                    fmt::format("Content-Encoding {} is not supported", encoding));
    }
    NOROSHI_ASSIGN(const std::string plain, gunzip(body));
    return run_logs_operation(*logs_context_, operation, plain, verified.region);
  };
  auto answer = run();
  if (!answer) return logs_error(answer.error(), request_id);
  return logs_response(*std::move(answer), request_id);
}

ServerResponse LocalAws::Implementation::run_records(
    RecordsService service, const ServerRequest& head, const Parameters& query,
    std::string_view operation, std::string_view body, const std::optional<Fault>& fault,
    std::string_view request_id) {
  const Service signed_for =
      service == RecordsService::Firehose ? Service::Firehose : Service::Kinesis;
  const auto run = [&]() -> Answer<std::string> {
    if (head.method != "POST" || head.path() != "/")
      return refuse(404, "UnknownOperationException", "this service takes POST / only");
    NOROSHI_ASSIGN(const ClaimedSignature claimed, claimed_signature(head, query, signed_for));
    NOROSHI_ASSIGN(
        const VerifiedSignature verified,
        verify_signature(head, query, claimed, signed_for, hex(hash(HashAlgorithm::Sha256, body)),
                         policy_, clock_.wall()));
    std::optional<PartialFailure> partial;
    if (fault && fault->action == FaultAction::Partial) {
      partial = {.error = fault->error,
                 .message = fault->message.empty() ? usual_message(fault->error) : fault->message,
                 .share = fault->share};
    }
    return run_records_operation(*records_context_, service, operation, body, verified.region,
                                 partial);
  };
  auto answer = run();
  if (!answer) return logs_error(answer.error(), request_id);
  return logs_response(*std::move(answer), request_id);
}

ServerResponse LocalAws::Implementation::error_response(Kind kind, const AwsError& error,
                                                        const ServerRequest& head,
                                                        std::string_view request_id) {
  switch (kind) {
    case Kind::S3:
      return s3_error(error, head, request_id);
    case Kind::Sts:
      return sts_error(error, request_id);
    case Kind::Credentials:
    case Kind::Logs:
    case Kind::Firehose:
    case Kind::Kinesis:
    case Kind::Admin:
      break;
  }
  return logs_error(error, request_id);
}

std::string LocalAws::Implementation::next_request_id(Kind kind) {
  const std::string digits = hex(random_bytes(16));
  if (kind == Kind::S3) {
    std::string id = digits.substr(0, 16);
    for (char& c : id) c = c >= 'a' ? static_cast<char>(c - 32) : c;
    return id;
  }
  return fmt::format("{}-{}-{}-{}-{}", digits.substr(0, 8), digits.substr(8, 4),
                     digits.substr(12, 4), digits.substr(16, 4), digits.substr(20));
}

LocalAws::LocalAws(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}
LocalAws::~LocalAws() = default;

Result<std::unique_ptr<LocalAws>> LocalAws::start(Options options, const Clock& clock) {
  auto implementation = std::make_unique<Implementation>(std::move(options), clock);
  NOROSHI_TRY(implementation->start());
  return std::unique_ptr<LocalAws>(new LocalAws(std::move(implementation)));
}

uint16_t LocalAws::port() const { return implementation_->port(); }
void LocalAws::stop(Milliseconds grace) { implementation_->stop(grace); }

}  // namespace noroshi::localaws
