// ns per record of filters redact and multiline, where there is nothing to do and where there is.
#include "filter/bench_filter.h"
#include "filter/multiline/multiline.h"
#include "filter/redact/redact.h"

namespace noroshi {
namespace {

constexpr std::string_view kJson =
    R"({"timestamp":"2026-11-23T02:53:00.123456+00:00","level":"INFO","logger":"app.access",)"
    R"("message":"GET /items/42 200","request_id":"4f9c1b7e","path":"/items/42","status":200,)"
    R"("duration_ms":12.75})";
constexpr std::string_view kPlain = R"(INFO:     127.0.0.1:43210 - "GET /items HTTP/1.1" 200 OK)";
constexpr std::string_view kMail = R"({"message":"mail to taro@example.com and 4242424242424242"})";

BENCHMARK_CAPTURE(run_filter, redact_nothing, kRedactFilter, "", kJson);
BENCHMARK_CAPTURE(run_filter, redact_mail_and_card, kRedactFilter, "", kMail);
BENCHMARK_CAPTURE(run_filter, redact_regex_nothing, kRedactFilter, " regex phone \\+81[0-9-]{9,}\n",
                  kJson);
BENCHMARK_CAPTURE(run_filter, multiline_json, kMultilineFilter, " multiline.parser python\n",
                  kJson);
BENCHMARK_CAPTURE(run_filter, multiline_plain, kMultilineFilter, " multiline.parser python\n",
                  kPlain);
BENCHMARK_CAPTURE(run_filter, multiline_errors, kMultilineFilter, " multiline.parser python\n",
                  "ERROR:    something went wrong");

}  // namespace
}  // namespace noroshi
