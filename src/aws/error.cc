#include "aws/error.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>

#include "aws/xml.h"

namespace noroshi {
namespace {

constexpr size_t kMessageBytesMax = 500;
constexpr Nanoseconds kRetryAfterMax = std::chrono::minutes(5);
constexpr size_t kJsonBytesMax = 256 << 10;

template <size_t N>
bool is_one_of(std::string_view code, const std::string_view (&list)[N]) {
  return std::find(std::begin(list), std::end(list), code) != std::end(list);
}

// botocore/retries/standard.py ThrottledRetryableChecker.
constexpr std::string_view kThrottled[] = {"Throttling",
                                           "ThrottlingException",
                                           "ThrottledException",
                                           "RequestThrottled",
                                           "RequestThrottledException",
                                           "TooManyRequestsException",
                                           "ProvisionedThroughputExceededException",
                                           "TransactionInProgressException",
                                           "RequestLimitExceeded",
                                           "BandwidthLimitExceeded",
                                           "LimitExceededException",
                                           "SlowDown",
                                           "EC2ThrottledException"};
// smithy-typescript service-error-classification CLOCK_SKEW_ERROR_CODES.
constexpr std::string_view kSkew[] = {"AuthFailure",          "InvalidSignatureException",
                                      "RequestExpired",       "RequestInTheFuture",
                                      "RequestTimeTooSkewed", "SignatureDoesNotMatch"};
constexpr std::string_view kExpired[] = {
    "ExpiredToken",         "ExpiredTokenException",       "TokenRefreshRequired",
    "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId",
    "InvalidToken"};
constexpr std::string_view kAuth[] = {"AccessDenied",
                                      "AccessDeniedException",
                                      "AccountProblem",
                                      "AllAccessDisabled",
                                      "IncompleteSignature",
                                      "InvalidSecurity",
                                      "MissingAuthenticationToken",
                                      "MissingAuthenticationTokenException",
                                      "NotAuthorized",
                                      "NotSignedUp",
                                      "OptInRequired",
                                      "UnauthorizedAccess",
                                      "UnauthorizedOperation",
                                      "KMS.AccessDeniedException",
                                      "KMS.DisabledException",
                                      "KMS.NotFoundException"};
constexpr std::string_view kTransient[] = {
    "RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete", "InternalError",
    "InternalFailure", "InternalServerError", "InternalServiceError", "ServiceUnavailable",
    "ServiceUnavailableException", "OperationAborted", "OperationAbortedException",
    "ConditionalRequestConflict", "IDPCommunicationError",
    // What arrived is not what we sent: the network's doing.
    "BadDigest", "IncompleteBody", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"};
constexpr std::string_view kRedirect[] = {"PermanentRedirect", "TemporaryRedirect", "Redirect",
                                          "AuthorizationHeaderMalformed",
                                          "IllegalLocationConstraintException"};
constexpr std::string_view kNotFound[] = {"NoSuchBucket", "NoSuchKey", "NoSuchUpload",
                                          "ResourceNotFoundException"};

// "com.amazonaws.logs#ThrottlingException:http://internal/…" → "ThrottlingException"
std::string_view bare_code(std::string_view code) {
  if (const size_t colon = code.find(':'); colon != std::string_view::npos)
    code = code.substr(0, colon);
  if (const size_t hash = code.rfind('#'); hash != std::string_view::npos)
    code = code.substr(hash + 1);
  return code.substr(0, 100);
}

std::string printable(std::string_view text) {
  std::string result(text.substr(0, kMessageBytesMax));
  for (char& c : result) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return result;
}

std::string_view without_leading_blanks(std::string_view body) {
  const size_t first = body.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view() : body.substr(first);
}

void read_json(std::string_view body, AwsFault& fault) {
  if (body.size() > kJsonBytesMax) return;
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(body.data(), body.size()).get(object) != simdjson::SUCCESS) return;
  for (const auto& [name, value] : object) {
    std::string_view text;
    if (value.get_string().get(text) != simdjson::SUCCESS) continue;
    if (name == "__type" || (name == "code" && fault.code.empty())) fault.code = bare_code(text);
    if (name == "message" || name == "Message") fault.message = printable(text);
  }
}

// True if the body is an error document.
bool read_xml(std::string_view body, AwsFault& fault) {
  const Result<XmlDocument> document = XmlDocument::parse(body);
  if (!document) return false;
  // S3 answers <Error>; STS and other query services <ErrorResponse><Error>.
  for (const std::string_view prefix : {"Error", "ErrorResponse/Error"}) {
    const auto code = document->find(std::string(prefix) + "/Code");
    if (!code || document->root() != prefix.substr(0, prefix.find('/'))) continue;
    fault.code = bare_code(*code);
    fault.message = printable(document->get(std::string(prefix) + "/Message"));
    if (fault.request_id.empty()) {
      fault.request_id = printable(
          document->get(prefix == "Error" ? "Error/RequestId" : "ErrorResponse/RequestId"));
    }
    return true;
  }
  return document->root() == "Error";
}

template <typename Integer>
std::optional<Integer> parse_integer(std::string_view text) {
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Nanoseconds> retry_after(const HttpHeaders& headers) {
  std::optional<Nanoseconds> wait;
  if (const auto ms = parse_integer<uint32_t>(headers.get("x-amz-retry-after"))) {
    wait = Milliseconds(*ms);
  } else if (const auto seconds = parse_integer<uint32_t>(headers.get("retry-after"))) {
    wait = Seconds(*seconds);
  } else if (const auto until = parse_http_date(headers.get("retry-after"))) {
    if (const auto now = parse_http_date(headers.get("date"))) {
      wait = std::max(Nanoseconds::zero(), *until - *now);
    }
  }
  if (wait) wait = std::min(*wait, kRetryAfterMax);
  return wait;
}

// Seconds since 1970 of a UTC calendar time; nullopt if there is no such day.
std::optional<int64_t> utc_seconds(int year, int month, int day, int hour, int minute, int second) {
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  // Nobody's answer is from another century, and between any two of these years, or one of them and
  // our clock, nanoseconds can count: who sends a date may send any.
  constexpr int kYearMin = 1970, kYearMax = 2200;
  if (!date.ok() || year < kYearMin || year > kYearMax || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  return static_cast<int64_t>(std::chrono::sys_days(date).time_since_epoch().count()) * 86400 +
         hour * 3600 + minute * 60 + second;
}

// Reads exactly `digits` digits off the front.
std::optional<int> take_number(std::string_view& text, size_t digits) {
  if (text.size() < digits) return std::nullopt;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
  }
  const auto value = parse_integer<int>(text.substr(0, digits));
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

}  // namespace

std::string_view to_string(AwsFaultKind kind) {
  switch (kind) {
    case AwsFaultKind::Transient:
      return "transient";
    case AwsFaultKind::Throttled:
      return "throttled";
    case AwsFaultKind::Auth:
      return "auth";
    case AwsFaultKind::Expired:
      return "expired";
    case AwsFaultKind::ClockSkew:
      return "clock skew";
    case AwsFaultKind::Redirect:
      return "redirect";
    case AwsFaultKind::NotFound:
      return "not found";
    case AwsFaultKind::Permanent:
      return "permanent";
  }
  return "unknown";
}

std::string AwsFault::describe() const {
  std::string text = fmt::format("{} (HTTP {})", code, status);
  if (!message.empty()) text += ": " + message;
  if (!request_id.empty()) text += fmt::format(" [request {}]", request_id);
  return text;
}

AwsFaultKind classify_aws_error(int status, std::string_view code) {
  if (is_one_of(code, kThrottled)) return AwsFaultKind::Throttled;
  if (is_one_of(code, kSkew)) return AwsFaultKind::ClockSkew;
  if (is_one_of(code, kExpired)) return AwsFaultKind::Expired;
  if (is_one_of(code, kAuth)) return AwsFaultKind::Auth;
  if (is_one_of(code, kTransient)) return AwsFaultKind::Transient;
  if (is_one_of(code, kRedirect)) return AwsFaultKind::Redirect;
  if (is_one_of(code, kNotFound)) return AwsFaultKind::NotFound;
  if (status == 429) return AwsFaultKind::Throttled;
  if (status >= 500 || status == 408 || (status >= 200 && status < 300))
    return AwsFaultKind::Transient;
  if (status == 401 || status == 403 || status == 407) return AwsFaultKind::Auth;
  if (status == 404) return AwsFaultKind::NotFound;
  if (status == 301 || status == 302 || status == 307 || status == 308)
    return AwsFaultKind::Redirect;
  return AwsFaultKind::Permanent;
}

std::optional<AwsFault> aws_fault(const HttpResponse& response) {
  AwsFault fault;
  fault.status = response.status;
  for (const char* name : {"x-amzn-requestid", "x-amz-request-id"}) {
    if (fault.request_id.empty()) fault.request_id = printable(response.headers.get(name));
  }
  const std::string_view body = without_leading_blanks(response.body);
  if (response.ok()) {
    // Cheap for every usual success: those bodies are empty, JSON, or do not mention <Error>.
    if (!body.starts_with('<') || body.find("<Error") == std::string_view::npos)
      return std::nullopt;
    if (!read_xml(body, fault)) return std::nullopt;
  } else if (body.starts_with('<')) {
    read_xml(body, fault);
  } else if (body.starts_with('{')) {
    read_json(body, fault);
  }
  if (fault.code.empty()) fault.code = bare_code(response.headers.get("x-amzn-errortype"));
  fault.code = printable(fault.code);
  fault.kind = classify_aws_error(fault.status, fault.code);
  if (fault.code.empty()) fault.code = fmt::format("HTTP {}", response.status);
  fault.retry_after = retry_after(response.headers);
  return fault;
}

std::optional<Timestamp> parse_http_date(std::string_view text) {
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT")
    return std::nullopt;
  text.remove_prefix(5);
  const auto day = take_number(text, 2);
  if (!day || !take(text, " ")) return std::nullopt;
  const auto* month = std::find(std::begin(kMonths), std::end(kMonths), text.substr(0, 3));
  if (month == std::end(kMonths)) return std::nullopt;
  text.remove_prefix(3);
  if (!take(text, " ")) return std::nullopt;
  const auto year = take_number(text, 4);
  if (!year || !take(text, " ")) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ":")) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || !take(text, ":")) return std::nullopt;
  const auto second = take_number(text, 2);
  if (!second) return std::nullopt;
  const auto seconds = utc_seconds(*year, static_cast<int>(month - std::begin(kMonths)) + 1, *day,
                                   *hour, *minute, *second);
  if (!seconds) return std::nullopt;
  return Timestamp(Seconds(*seconds));
}

std::optional<Timestamp> parse_iso8601(std::string_view text) {
  const auto year = take_number(text, 4);
  if (!year || !take(text, "-")) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take(text, "-")) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day || !take(text, "T")) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ":")) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || !take(text, ":")) return std::nullopt;
  const auto second = take_number(text, 2);
  if (!second) return std::nullopt;
  const auto seconds = utc_seconds(*year, *month, *day, *hour, *minute, *second);
  if (!seconds) return std::nullopt;
  Timestamp time{Seconds(*seconds)};
  if (take(text, ".")) {
    Nanoseconds unit = Milliseconds(100);
    size_t digits = 0;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
      time += unit * (text[digits] - '0');
      unit /= 10;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
  }
  if (text == "Z") return time;
  const bool ahead = text.starts_with('+');
  if (!ahead && !text.starts_with('-')) return std::nullopt;
  text.remove_prefix(1);
  const auto zone_hours = take_number(text, 2);
  if (!zone_hours) return std::nullopt;
  static_cast<void>(take(text, ":"));
  const auto zone_minutes = take_number(text, 2);
  if (!zone_minutes || !text.empty() || *zone_hours > 23 || *zone_minutes > 59) return std::nullopt;
  const Seconds zone = Seconds(*zone_hours * 3600 + *zone_minutes * 60);
  return ahead ? time - zone : time + zone;
}

}  // namespace noroshi
