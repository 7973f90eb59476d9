// The operations of S3 whose request has no body or an XML one, by name: those on buckets and
// objects are here, those on uploads in s3_multipart.
#pragma once

#include "localaws/s3_command.h"

namespace noroshi::localaws {

[[nodiscard]] Answer<ServerResponse> run_s3_command(const S3Command& command);

}  // namespace noroshi::localaws
