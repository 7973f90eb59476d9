// Everything of an S3 request that is parsed before anyone is known: target, query, headers,
// signature, XML, checksums. First line: method, then target; header lines; an empty line; the
// body.

#include <cstdlib>
#include <string>

#include "localaws/checksums.h"
#include "localaws/s3_address.h"
#include "localaws/s3_headers.h"
#include "localaws/signature.h"
#include "localaws/xml.h"

namespace {

std::string_view take_line(std::string_view& rest) {
  const size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace noroshi::localaws;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  noroshi::ServerRequest head;
  head.method = std::string(take_line(rest));
  head.target = std::string(take_line(rest));
  for (std::string_view line = take_line(rest); !line.empty(); line = take_line(rest)) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    head.headers.push_back(
        {std::string(line.substr(0, colon)), std::string(line.substr(colon + 1))});
  }
  const auto query = parse_query(head.query());
  if (query) {
    const auto address =
        s3_address(head, *query, [](std::string_view name) { return name.size() == 3; });
    if (address && address->operation.empty()) std::abort();
    static const CredentialIssuer kIssuer("test", "test", "000000000000");
    const SignaturePolicy policy{kIssuer, ""};
    for (const Service service : {Service::S3, Service::Logs, Service::Sts}) {
      const auto claimed = claimed_signature(head, *query, service);
      if (!claimed) continue;
      // A signature nobody computed must never pass.
      if (verify_signature(head, *query, *claimed, service, "", policy,
                           noroshi::Timestamp(noroshi::Seconds(1'800'000'000)))) {
        std::abort();
      }
    }
  }
  auto checks = BodyChecks::make(head, false);
  if (checks) {
    checks->update(rest);
    static_cast<void>(checks->finish(query ? *query : Parameters{}));
  }
  static_cast<void>(object_headers(head));
  static_cast<void>(write_condition(head));
  if (const auto xml = parse_xml(rest)) {
    std::string again;
    append_element(again, "k", xml->text);
    const auto back = parse_xml(again);
    if (!back || back->text != xml->text) std::abort();
  }
  return 0;
}
