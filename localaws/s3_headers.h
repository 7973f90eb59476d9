// Headers of S3 that belong to an object: which ones a request may bring, and which an answer
// repeats.
#pragma once

#include <string_view>

#include "localaws/aws_error.h"
#include "localaws/s3_objects.h"
#include "localaws/uri.h"
#include "net/http_server.h"

namespace noroshi::localaws {

// Headers of a request that are kept with the object. Errors: InvalidArgument, InvalidRequest,
// MetadataTooLarge, InvalidStorageClass … for what S3 would refuse.
[[nodiscard]] Answer<Parameters> object_headers(const ServerRequest& head);
[[nodiscard]] Answer<WriteCondition> write_condition(const ServerRequest& head);
// x-amz-server-side-encryption and its kind, repeated in answers.
void append_encryption_headers(ServerResponse& response, const Parameters& headers);
void append_checksum_headers(ServerResponse& response, const Parameters& checksums,
                             std::string_view type);

}  // namespace noroshi::localaws
