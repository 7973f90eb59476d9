// What an S3 request is about: bucket, key and operation, from method, Host, raw target and
// headers.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "localaws/aws_error.h"
#include "localaws/uri.h"
#include "net/http_server.h"

namespace noroshi::localaws {

struct S3Address {
  std::string bucket = {};     // empty: the service itself
  std::string key = {};        // empty: the bucket itself
  std::string operation = {};  // "PutObject"; "NotImplemented" for what we know and do not have
};

// Path-style, or virtual-hosted: "bucket.s3.…", "bucket.s3-…", "bucket.localhost", or any
// "bucket.…" whose first labels are a bucket that exists. Errors: InvalidURI, KeyTooLongError,
// MethodNotAllowed.
[[nodiscard]] Answer<S3Address> s3_address(
    const ServerRequest& head, const Parameters& query,
    const std::function<bool(std::string_view)>& bucket_exists);

}  // namespace noroshi::localaws
