#include "localaws/faults.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>

#include "localaws/json_text.h"

namespace noroshi::localaws {
namespace {

constexpr int64_t kDurationMax = 24 * 3600 * 1000;  // ms
constexpr int64_t kLatencyMax = 600 * 1000;         // ms

struct ActionName {
  FaultAction action;
  std::string_view name;
};
constexpr auto kActions = std::to_array<ActionName>({
    {FaultAction::None, "none"},
    {FaultAction::Error, "error"},
    {FaultAction::ErrorIn200, "error_in_200"},
    {FaultAction::ResetBefore, "reset_before"},
    {FaultAction::ResetAfter, "reset_after"},
    {FaultAction::Garbage, "garbage"},
    {FaultAction::HalfOpen, "half_open"},
    {FaultAction::HalfOpenAfter, "half_open_after"},
    {FaultAction::Truncate, "truncate"},
    {FaultAction::Partial, "partial"},
    {FaultAction::Refuse, "refuse"},
});
constexpr auto kServices = std::to_array<std::string_view>(
    {"*", "s3", "logs", "sts", "credentials", "firehose", "kinesis"});

std::unexpected<Error> wrong(std::string message) {
  return fail(ErrorCode::InvalidArgument, std::move(message));
}

Status set_member(Fault& fault, std::string_view name, simdjson::dom::element value,
                  std::string& action) {
  std::string_view text;
  int64_t number = 0;
  const auto need_text = [&](std::string& out) -> Status {
    if (value.get(text) != simdjson::SUCCESS)
      return wrong(fmt::format("\"{}\" must be a string", name));
    out = std::string(text);
    return {};
  };
  const auto need_number = [&](int64_t min, int64_t max) -> Status {
    if (value.get(number) != simdjson::SUCCESS || number < min || number > max) {
      return wrong(fmt::format("\"{}\" must be a whole number from {} to {}", name, min, max));
    }
    return {};
  };
  if (name == "service") return need_text(fault.service);
  if (name == "operation") return need_text(fault.operation);
  if (name == "content_encoding") return need_text(fault.content_encoding);
  if (name == "action") return need_text(action);
  if (name == "error") return need_text(fault.error);
  if (name == "message") return need_text(fault.message);
  if (name == "status") {
    NOROSHI_TRY(need_number(200, 599));
    fault.status = static_cast<int>(number);
    return {};
  }
  if (name == "latency_ms") {
    NOROSHI_TRY(need_number(0, kLatencyMax));
    fault.latency = Milliseconds(number);
    return {};
  }
  if (name == "duration_ms") {
    NOROSHI_TRY(need_number(1, kDurationMax));
    fault.duration = Milliseconds(number);
    return {};
  }
  if (name == "count") {
    NOROSHI_TRY(need_number(1, INT64_MAX));
    fault.count = number;
    return {};
  }
  if (name == "rate") {
    if (value.get(fault.rate) != simdjson::SUCCESS || fault.rate < 0 || fault.rate > 1) {
      return wrong("\"rate\" must be a number from 0 to 1");
    }
    return {};
  }
  if (name == "share") {
    if (value.get(fault.share) != simdjson::SUCCESS || fault.share <= 0 || fault.share > 1) {
      return wrong("\"share\" must be a number above 0, at most 1");
    }
    return {};
  }
  return wrong(
      fmt::format("\"{}\" is not a member of a fault (service, operation, action, error, "
                  "status, message, latency_ms, rate, share, count, duration_ms, "
                  "content_encoding)",
                  name));
}

}  // namespace

std::string_view to_string(FaultAction action) {
  return std::ranges::find(kActions, action, &ActionName::action)->name;
}

Result<Fault> parse_fault(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(json.data(), json.size()).get(object) != simdjson::SUCCESS) {
    return wrong("the body must be a JSON object");
  }
  Fault fault;
  std::string action;
  for (const auto& [name, value] : object) NOROSHI_TRY(set_member(fault, name, value, action));
  if (std::ranges::find(kServices, fault.service) == kServices.end()) {
    return wrong("\"service\" must be one of s3, logs, sts, credentials, firehose, kinesis, *");
  }
  if (action.empty()) action = fault.error.empty() ? "none" : "error";
  const auto known = std::ranges::find(kActions, action, &ActionName::name);
  if (known == kActions.end()) return wrong(fmt::format("unknown \"action\" {}", action));
  fault.action = known->action;
  const bool needs_code = fault.action == FaultAction::Error ||
                          fault.action == FaultAction::ErrorIn200 ||
                          fault.action == FaultAction::Partial;
  if (needs_code && fault.error.empty()) return wrong("\"error\" (the code) is missing");
  if (fault.action == FaultAction::None && fault.latency == Milliseconds(0)) {
    return wrong("the fault does nothing: give \"action\", \"error\" or \"latency_ms\"");
  }
  if (fault.action == FaultAction::Refuse && fault.duration == Milliseconds(0)) {
    return wrong("\"refuse\" needs \"duration_ms\": while the port is closed nobody can end it");
  }
  return fault;
}

std::string to_json(const Fault& fault) {
  return fmt::format(
      "{{\"id\":{},\"service\":{},\"operation\":{},\"action\":{},\"error\":{},\"status\":{},"
      "\"latency_ms\":{},\"rate\":{},\"count\":{},\"content_encoding\":{},\"hits\":{}}}",
      fault.id, json_text(fault.service), json_text(fault.operation),
      json_text(to_string(fault.action)), json_text(fault.error), fault.status,
      fault.latency.count(), fault.rate, fault.count, json_text(fault.content_encoding),
      fault.hits);
}

int usual_status(std::string_view service, std::string_view code) {
  if (code == "InternalError" || code == "InternalFailure" || code == "InternalServerError")
    return 500;
  if (code == "ServiceUnavailable" || code == "SlowDown") return 503;
  if (code == "ServiceUnavailableException") return service == "logs" ? 500 : 503;
  if (service != "s3") {
    return service == "sts" && (code == "AccessDenied" || code == "ExpiredToken") ? 403 : 400;
  }
  if (code == "AccessDenied" || code == "SignatureDoesNotMatch" || code == "RequestTimeTooSkewed" ||
      code == "InvalidAccessKeyId" || code == "AllAccessDisabled") {
    return 403;
  }
  if (code == "NoSuchBucket" || code == "NoSuchKey" || code == "NoSuchUpload") return 404;
  if (code == "ConditionalRequestConflict" || code == "OperationAborted") return 409;
  if (code == "PreconditionFailed") return 412;
  if (code == "PermanentRedirect") return 301;
  if (code == "TemporaryRedirect") return 307;
  return 400;
}

std::string usual_message(std::string_view code) {
  if (code == "ThrottlingException" || code == "Throttling") return "Rate exceeded";
  if (code == "SlowDown") return "Please reduce your request rate.";
  if (code == "InternalError") return "We encountered an internal error. Please try again.";
  if (code == "AccessDenied") return "Access Denied";
  if (code == "ExpiredToken") return "The provided token has expired.";
  if (code == "ExpiredTokenException")
    return "The security token included in the request is expired";
  if (code == "ServiceUnavailable" || code == "ServiceUnavailableException") {
    return "Service is temporarily unavailable.";
  }
  return fmt::format("{}, as asked of noroshi-localaws", code);
}

Result<uint64_t> FaultList::add(Fault fault) {
  MutexLock lock(mutex_);
  expire();
  if (faults_.size() == kFaultsMax) {
    return fail(ErrorCode::Exhausted, fmt::format("there are {} faults already", kFaultsMax));
  }
  fault.id = next_id_++;
  if (fault.duration > Milliseconds(0)) fault.until = clock_.monotonic() + fault.duration;
  faults_.push_back(std::move(fault));
  return faults_.back().id;
}

void FaultList::clear() {
  MutexLock lock(mutex_);
  faults_.clear();
}

bool FaultList::remove(uint64_t id) {
  MutexLock lock(mutex_);
  return std::erase_if(faults_, [&](const Fault& fault) { return fault.id == id; }) > 0;
}

std::vector<Fault> FaultList::list() {
  MutexLock lock(mutex_);
  expire();
  return faults_;
}

void FaultList::expire() {
  const Monotonic now = clock_.monotonic();
  std::erase_if(faults_, [&](const Fault& fault) {
    return fault.count == 0 || (fault.duration > Milliseconds(0) && now >= fault.until);
  });
}

FaultList::Chosen FaultList::choose(std::string_view service, std::string_view operation,
                                    std::string_view content_encoding) {
  Chosen chosen;
  MutexLock lock(mutex_);
  if (faults_.empty()) return chosen;
  expire();
  for (Fault& fault : faults_) {
    if (fault.service != "*" && fault.service != service) continue;
    if (fault.operation != "*" && fault.operation != operation) continue;
    if (!fault.content_encoding.empty() && fault.content_encoding != content_encoding) continue;
    if (fault.rate < 1 && std::uniform_real_distribution<>(0, 1)(random_) >= fault.rate) continue;
    ++fault.hits;
    if (fault.count > 0) --fault.count;
    chosen.latency += fault.latency;
    if (fault.action == FaultAction::None) continue;
    chosen.fault = fault;
    break;
  }
  expire();
  return chosen;
}

}  // namespace noroshi::localaws
