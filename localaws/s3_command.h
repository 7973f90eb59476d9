// S3Command: one request whose body, if any, is XML, as the operations take it; and what they all
// read from it and answer with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "localaws/s3_address.h"
#include "localaws/s3_service.h"

namespace noroshi::localaws {

// Everything about signatures and bodies is done (s3_service.cc). What it refers to is the
// exchange's: valid during the call.
struct S3Command {
  const S3Context& context;
  const ServerRequest& head;
  const Parameters& query;
  const S3Address& address;
  const std::string& body;
  bool body_checked = false;  // by Content-MD5 or a checksum header
};

// Empty if it is not there.
[[nodiscard]] std::string text_parameter(const S3Command& command, std::string_view name);
// A page size: absent means 1000, more is cut to 1000. Errors: InvalidArgument.
[[nodiscard]] Answer<int64_t> page_size(const S3Command& command, std::string_view name);
// Digits only, not negative.
[[nodiscard]] std::optional<int64_t> parse_number(std::string_view text);

[[nodiscard]] std::unexpected<AwsError> malformed_xml();
// An answer whose document is `root` around `content`, which is XML already.
[[nodiscard]] ServerResponse xml_response(std::string_view root, std::string_view content);
// An ETag as headers and documents have it.
[[nodiscard]] std::string in_quotes(std::string_view etag);

}  // namespace noroshi::localaws
