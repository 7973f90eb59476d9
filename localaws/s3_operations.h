// The operations of S3 whose request has no body or an XML one. Everything about signatures and
// bodies is done when these are called (s3_service.cc).
#pragma once

#include <string>

#include "localaws/s3_address.h"
#include "localaws/s3_service.h"

namespace noroshi::localaws {

struct S3Command {
  const S3Context& context;
  const ServerRequest& head;
  const Parameters& query;
  const S3Address& address;
  const std::string& body;
  bool body_checked = false;  // by Content-MD5 or a checksum header
  bool presigned = false;
};
[[nodiscard]] Answer<ServerResponse> run_s3_command(const S3Command& command);

// Headers of a request that are kept with the object. Errors: InvalidArgument, InvalidRequest,
// MetadataTooLarge, InvalidStorageClass … for what S3 would refuse.
[[nodiscard]] Answer<Parameters> object_headers(const ServerRequest& head);
[[nodiscard]] Answer<WriteCondition> write_condition(const ServerRequest& head);
// x-amz-server-side-encryption and its kind, repeated in answers.
void append_encryption_headers(ServerResponse& response, const Parameters& headers);
void append_checksum_headers(ServerResponse& response, const Parameters& checksums,
                             std::string_view type);
[[nodiscard]] ServerResponse xml_response(std::string body);

}  // namespace noroshi::localaws
