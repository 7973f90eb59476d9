// What a server reads of a signed request (noroshi-localaws does): header, path and query from
// anybody.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "aws/sigv4.h"
#include "http/url.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const size_t line = text.find('\n');
  const std::string header = text.substr(0, line);
  const std::string target = line == std::string::npos ? "" : text.substr(line + 1);
  const auto authorization = noroshi::parse_authorization(header);
  if (authorization) {
    const noroshi::HttpHeaders headers{{"Host", header}, {"X", target}};
    const size_t question = target.find('?');
    const noroshi::ReceivedRequest request{"GET", std::string_view(target).substr(0, question),
                                           question == std::string::npos
                                               ? std::string_view()
                                               : std::string_view(target).substr(question + 1),
                                           headers, "UNSIGNED-PAYLOAD"};
    const std::string signature =
        noroshi::expected_signature(request, *authorization, "20261123T025300Z", "s");
    if (signature.size() != 64 || !noroshi::same_signature(signature, signature)) std::abort();
  }
  const auto url = noroshi::parse_url(target);
  if (url) {
    // What was read is written so that it reads the same.
    const auto again = noroshi::parse_url(url->to_string());
    if (!again || again->host != url->host || again->effective_port() != url->effective_port() ||
        again->query != url->query || again->path != url->path) {
      std::abort();
    }
    const auto encoded = noroshi::encode_query(noroshi::parse_query(url->query));
    if (noroshi::encode_query(noroshi::parse_query(encoded)) != encoded) std::abort();
  }
  if (noroshi::percent_decode(noroshi::percent_encode(target)) != target) std::abort();
  return 0;
}
