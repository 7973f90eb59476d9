// The operations of S3 on multipart uploads, but for UploadPart, whose body goes to a file
// (s3_service.cc). Errors are S3's.
#pragma once

#include "localaws/s3_command.h"

namespace noroshi::localaws {

[[nodiscard]] Answer<ServerResponse> create_upload(const S3Command& command);
[[nodiscard]] Answer<ServerResponse> list_parts(const S3Command& command);
[[nodiscard]] Answer<ServerResponse> complete_upload(const S3Command& command);
[[nodiscard]] Answer<ServerResponse> abort_upload(const S3Command& command);
[[nodiscard]] Answer<ServerResponse> list_uploads(const S3Command& command);

}  // namespace noroshi::localaws
