// What each answer means. PutLogEvents, in the order the code asks:
//
//   answer                                    decision
//   200, a JSON object                        settled; rejectedLogEventsInfo by reason
//   200, anything else                        Retry: not CloudWatch (a proxy, a captive portal)
//   no answer                                 Retry Transient; Auth for credentials and
//   certificates DataAlreadyAccepted                       settled InvalidSequenceToken once more
//   with the expected token ResourceNotFound                          make stream (and group), put
//   again; a second time: Retry refusal of the encoding, body gzipped     once more without gzip
//   (compress auto), and for good InvalidParameter, Serialization, 413      names or key at fault:
//   Retry Auth; else halve, and the
//                                             record that is refused alone: rejected
//   throttling, 5xx, …                        Retry as aws/error.h classifies
//   any other 4xx                             Retry Auth: only somebody outside can repair
//                                             that, and until then nothing is lost
#include "output/cloudwatch_logs/logs_delivery.h"

#include <algorithm>
#include <utility>

#include "aws/aws_client.h"
#include "output/cloudwatch_logs/logs_answer.h"
#include "output/request/http_answer.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

constexpr size_t kSequenceTokensMax = 1024;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// The service does not take (this) Content-Encoding.
bool refuses_encoding(const AwsFault& fault) {
  if (fault.status < 400 || fault.status >= 500) return false;
  return fault.status == 415 || fault.code == "SerializationException" ||
         fault.code == "UnsupportedMediaTypeException" || contains(fault.message, "ncoding") ||
         contains(fault.message, "gzip") || contains(fault.message, "compress") ||
         contains(fault.message, "deserializ");
}

// One of the records is (or all together are) not acceptable.
bool refuses_records(const AwsFault& fault) {
  return fault.code == "InvalidParameterException" || fault.code == "ValidationException" ||
         fault.code == "SerializationException" || fault.status == 413;
}

// The same code for what no record is to blame for: "… Value 'x' at 'logGroupName' failed to
// satisfy …", "The specified KMS key does not exist or is disabled".
bool blames_configuration(const AwsFault& fault) {
  return contains(fault.message, "logGroupName") || contains(fault.message, "logStreamName") ||
         contains(fault.message, "KMS") || contains(fault.message, "kms");
}

Delivery retry_fault(const AwsFault& fault, std::string_view operation) {
  RetryClass retry_class = RetryClass::Auth;
  switch (fault.kind) {
    case AwsFaultKind::Transient:
    case AwsFaultKind::ClockSkew:
      retry_class = RetryClass::Transient;
      break;
    case AwsFaultKind::Throttled:
      retry_class = RetryClass::Throttled;
      break;
    case AwsFaultKind::Auth:
    case AwsFaultKind::Expired:
    case AwsFaultKind::Redirect:
    case AwsFaultKind::NotFound:
    case AwsFaultKind::Permanent:
      break;
  }
  Delivery delivery =
      Delivery::retry(retry_class, fmt::format("{}: {}", operation, fault.describe()));
  delivery.retry_after = fault.retry_after;
  return delivery;
}

Delivery retry_error(const Error& error, std::string_view operation) {
  return Delivery::retry(retry_class_of(error), fmt::format("{}: {}", operation, error.message));
}

// {"logGroupName":"…" without the closing brace.
std::string body_with_group(std::string_view group) {
  std::string body = R"({"logGroupName":)";
  write_json_string(body, group);
  return body;
}

void add_field(std::string& body, std::string_view name, std::string_view value) {
  body += ",\"";
  body += name;
  body += "\":";
  write_json_string(body, value);
}

}  // namespace

LogsDelivery::LogsDelivery(LogsDeliveryOptions options, const Clock& clock, MakeClient make_client)
    : options_(std::move(options)),
      clock_(clock),
      make_client_(std::move(make_client)),
      compress_(options_.compression != LogsCompression::Off) {}
LogsDelivery::~LogsDelivery() = default;

Delivery LogsDelivery::deliver(LogBatch& batch, Monotonic deadline) {
  if (!client_) {
    auto client = make_client_();
    if (!client) return Delivery::retry(RetryClass::Auth, client.error().message);
    client_ = *std::move(client);
  }
  batch.begin_delivery();
  created_ = token_repeated_ = accepted_any_ = false;
  Delivery delivery;
  for (uint32_t requests = 0; !batch.settled(); ++requests) {
    // What is settled so far stays settled: the next attempt goes on here.
    if (requests >= kRequestsMax) {
      return Delivery::retry(
          RetryClass::Transient,
          fmt::format("still searching the refused records after {} requests", kRequestsMax));
    }
    if (clock_.monotonic() >= deadline) {
      return Delivery::retry(RetryClass::Transient, "the time of this attempt is over");
    }
    const auto answer = put(batch, deadline);
    if (!answer) return retry_error(answer.error(), "PutLogEvents");
    const Step step = answer->ok()
                          ? settle_accepted(batch, *answer, delivery)
                          : settle_fault(batch, *answer->fault, *answer, deadline, delivery);
    if (step == Step::Stop) return delivery;
  }
  if (!retention_missing_.empty()) put_retention(batch.group(), deadline);
  const auto& rejected = batch.rejected();
  const bool all_refused = !rejected.empty() && rejected.size() == batch.record_count() &&
                           std::ranges::all_of(rejected, [](const RejectedRecord& record) {
                             return record.reason == DropReason::Rejected;
                           });
  if (all_refused) return Delivery::reject(delivery.reason);
  delivery.outcome = Delivery::Outcome::Delivered;
  delivery.rejected = rejected;
  return delivery;
}

LogsDelivery::Step LogsDelivery::settle_accepted(LogBatch& batch, const AwsAnswer& answer,
                                                 Delivery& delivery) {
  const auto parsed = parse_put_log_events_answer(answer.response.body);
  if (!parsed) {
    delivery = Delivery::retry(
        RetryClass::Transient,
        fmt::format("PutLogEvents: HTTP {} that CloudWatch Logs did not write (a proxy?): {}",
                    answer.response.status, parsed.error().message));
    return Step::Stop;
  }
  const LogBatch::Range range = batch.next();
  const auto index = [&](uint32_t count) { return range.begin + std::min(count, range.size()); };
  const uint32_t too_old_end = index(parsed->too_old_end);
  const uint32_t begin = std::max(too_old_end, index(parsed->expired_end));
  const uint32_t end = std::max(begin, index(parsed->too_new_start.value_or(UINT32_MAX)));
  batch.reject({range.begin, too_old_end}, DropReason::TooOld);
  batch.reject({too_old_end, begin}, DropReason::Expired);
  batch.reject({end, range.end}, DropReason::TooNew);
  if (begin > range.begin || end < range.end) {
    delivery.reason =
        "CloudWatch Logs takes no records older than 14 days or than the group's retention, and "
        "none "
        "more than 2 hours ahead";
  }
  batch.settle_next();
  accepted_any_ = true;
  token_repeated_ = false;
  if (!parsed->rejected_entity.empty()) {
    if (const auto times = entity_rejected_.admit()) {
      log_warn(options_.component,
               "CloudWatch Logs took the records but not their entity: {} ({} times)",
               parsed->rejected_entity, times);
    }
  }
  return Step::Continue;
}

LogsDelivery::Step LogsDelivery::settle_fault(LogBatch& batch, const AwsFault& fault,
                                              const AwsAnswer& answer, Monotonic deadline,
                                              Delivery& delivery) {
  if (fault.code == "DataAlreadyAcceptedException") {
    batch.settle_next();
    accepted_any_ = true;
    return Step::Continue;
  }
  if (fault.code == "InvalidSequenceTokenException" && !token_repeated_) {
    if (const auto token = parse_expected_sequence_token(answer.response.body)) {
      if (sequence_tokens_.size() >= kSequenceTokensMax) sequence_tokens_.clear();
      sequence_tokens_[batch.group() + '\0' + batch.stream()] = *token;
      token_repeated_ = true;
      return Step::Continue;
    }
  }
  if (fault.code == "ResourceNotFoundException") {
    if (created_) {
      delivery = Delivery::retry(RetryClass::Transient,
                                 fmt::format("stream {} of {} was made but is not visible yet",
                                             batch.stream(), batch.group()));
      return Step::Stop;
    }
    return create_stream(batch, deadline, delivery);
  }
  if (refuses_records(fault)) return settle_refused(batch, fault, delivery);
  delivery = retry_fault(fault, "PutLogEvents");
  return Step::Stop;
}

LogsDelivery::Step LogsDelivery::settle_refused(LogBatch& batch, const AwsFault& fault,
                                                Delivery& delivery) {
  if (blames_configuration(fault)) {
    delivery = Delivery::retry(RetryClass::Auth, "PutLogEvents: " + fault.describe());
    return Step::Stop;
  }
  if (batch.next().size() > 1) {
    batch.halve_next();
    return Step::Continue;
  }
  batch.reject(batch.next(), DropReason::Rejected);
  batch.settle_next();
  delivery.reason = "PutLogEvents: " + fault.describe();
  // Nothing in our records should be refused at all. If all of them are, they are not the reason.
  const bool nothing_accepted = !accepted_any_ && batch.rejected().size() >= kRefusedAloneMax &&
                                batch.record_count() > kRefusedAloneMax;
  if (nothing_accepted) {
    batch.start_over();
    delivery = Delivery::retry(RetryClass::Auth,
                               fmt::format("{} records in a row were refused one by one: {}",
                                           kRefusedAloneMax, fault.describe()));
    return Step::Stop;
  }
  return Step::Continue;
}

// ---- Making streams and groups ------------------------------------------------------------------

LogsDelivery::Step LogsDelivery::create_stream(const LogBatch& batch, Monotonic deadline,
                                               Delivery& delivery) {
  std::string body = body_with_group(batch.group());
  add_field(body, "logStreamName", batch.stream());
  body += '}';
  // The second round follows the making of the group.
  for (int round = 0; round < 2; ++round) {
    const auto answer = call("CreateLogStream", body, deadline);
    if (!answer) {
      delivery = retry_error(answer.error(), "CreateLogStream");
      return Step::Stop;
    }
    // Already there: another task was faster, or the stream was not visible a moment ago.
    if (answer->ok() || answer->fault->code == "ResourceAlreadyExistsException") {
      if (answer->ok())
        log_info(options_.component, "made log stream {} {}", batch.group(), batch.stream());
      created_ = true;
      return Step::Continue;
    }
    const AwsFault& fault = *answer->fault;
    if (fault.code != "ResourceNotFoundException") {
      delivery = retry_fault(
          fault, fmt::format("CreateLogStream {} in {}", batch.stream(), batch.group()));
      return Step::Stop;
    }
    if (!options_.auto_create_group) {
      delivery = Delivery::retry(
          RetryClass::Auth,
          fmt::format("log group {} does not exist; make it, or set auto_create_group on",
                      batch.group()));
      return Step::Stop;
    }
    if (round == 0 && create_group(batch.group(), deadline, delivery) == Step::Stop)
      return Step::Stop;
  }
  delivery =
      Delivery::retry(RetryClass::Transient,
                      fmt::format("log group {} was made but is not visible yet", batch.group()));
  return Step::Stop;
}

LogsDelivery::Step LogsDelivery::create_group(const std::string& group, Monotonic deadline,
                                              Delivery& delivery) {
  std::string body = body_with_group(group);
  if (!options_.kms_key.empty()) add_field(body, "kmsKeyId", options_.kms_key);
  if (!options_.group_class.empty()) add_field(body, "logGroupClass", options_.group_class);
  if (!options_.tags.empty()) {
    body += R"(,"tags":{)";
    for (const auto& [key, value] : options_.tags) {
      if (body.back() != '{') body += ',';
      write_json_string(body, key);
      body += ':';
      write_json_string(body, value);
    }
    body += '}';
  }
  body += '}';
  const auto answer = call("CreateLogGroup", body, deadline);
  if (!answer) {
    delivery = retry_error(answer.error(), "CreateLogGroup");
    return Step::Stop;
  }
  if (!answer->ok() && answer->fault->code != "ResourceAlreadyExistsException") {
    const AwsFault& fault = *answer->fault;
    delivery = retry_fault(fault, "CreateLogGroup " + group);
    // Another task makes the same group at this moment.
    if (fault.code == "OperationAbortedException") delivery.retry_class = RetryClass::Transient;
    return Step::Stop;
  }
  if (answer->ok()) log_info(options_.component, "made log group {}", group);
  if (options_.retention_days != 0) {
    retention_missing_.try_emplace(group);
    put_retention(group, deadline);
  }
  return Step::Continue;
}

// A group without retention keeps (and bills) its records for ever, but that is no reason to keep
// records from it: a failure is repeated a few times beside later deliveries, then reported and
// left.
void LogsDelivery::put_retention(const std::string& group, Monotonic deadline) {
  const auto found = retention_missing_.find(group);
  if (found == retention_missing_.end() || clock_.monotonic() < found->second.next) return;
  const std::string body =
      body_with_group(group) + fmt::format(R"(,"retentionInDays":{}}})", options_.retention_days);
  const auto answer = call("PutRetentionPolicy", body, deadline);
  if (answer && answer->ok()) {
    retention_missing_.erase(found);
    return;
  }
  Retention& retention = found->second;
  ++retention.attempts;
  retention.next = clock_.monotonic() + kRetentionInterval;
  const bool last = retention.attempts >= kRetentionAttemptsMax;
  log_warn(options_.component, "log group {}: the retention of {} days could not be set{}: {}",
           group, options_.retention_days, last ? " and is left as it is" : " yet",
           answer ? answer->fault->describe() : answer.error().message);
  if (last) retention_missing_.erase(found);
}

// ---- Requests -----------------------------------------------------------------------------------

Result<AwsAnswer> LogsDelivery::put(LogBatch& batch, Monotonic deadline) {
  std::string_view token;
  if (!sequence_tokens_.empty()) {
    const auto found = sequence_tokens_.find(batch.group() + '\0' + batch.stream());
    if (found != sequence_tokens_.end()) token = found->second;
  }
  const std::string_view body = batch.next_body(token);
  if (compress_ && body.size() >= kCompressBytesMin) {
    if (const auto compressed = gzip_.compress(body)) {
      NOROSHI_ASSIGN(AwsAnswer answer, call("PutLogEvents", *compressed, deadline, true));
      if (answer.ok() || options_.compression == LogsCompression::On ||
          !refuses_encoding(*answer.fault)) {
        return answer;
      }
      const std::string refusal = answer.fault->describe();
      NOROSHI_ASSIGN(answer, call("PutLogEvents", body, deadline));
      // Plain makes a difference: so it was the encoding, and not a record.
      if (answer.ok() || !refuses_encoding(*answer.fault)) {
        compress_ = false;
        log_warn(options_.component, "requests are no longer compressed: {}", refusal);
      }
      return answer;
    }
  }
  return call("PutLogEvents", body, deadline);
}

Result<AwsAnswer> LogsDelivery::call(std::string_view operation, std::string_view body,
                                     Monotonic deadline, bool compressed) {
  AwsRequest request;
  request.headers.set("Content-Type", "application/x-amz-json-1.1");
  request.headers.set("X-Amz-Target", fmt::format("Logs_20140328.{}", operation));
  if (compressed) request.headers.set("Content-Encoding", "gzip");
  if (!options_.log_format.empty() && operation == "PutLogEvents") {
    request.headers.set("x-amzn-logs-format", options_.log_format);
  }
  if (!options_.user_agent.empty()) request.headers.set("User-Agent", options_.user_agent);
  request.body = body;
  return client_->call(request, deadline);
}

}  // namespace noroshi
