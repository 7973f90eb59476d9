// The S3 protocol over S3Store: signatures, bodies, integrity checks, operations, XML answers.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "localaws/s3_address.h"
#include "localaws/s3_store.h"
#include "localaws/signature.h"
#include "net/http_server.h"

namespace noroshi::localaws {

struct S3Context {
  S3Store& store;
  SignaturePolicy policy;
  const Clock& clock;
};

// Takes one request from its head on. Bodies of objects go to a file as they come; those of
// commands (XML) are collected, up to kS3CommandBytesMax. `context` must outlive it.
inline constexpr size_t kS3CommandBytesMax = 4 << 20;
[[nodiscard]] std::unique_ptr<HttpExchange> open_s3_exchange(const S3Context& context,
                                                             ServerRequest head, Parameters query,
                                                             S3Address address,
                                                             std::string request_id);

// <Error> as S3 writes it; without a body for HEAD.
[[nodiscard]] ServerResponse s3_error(const AwsError& error, const ServerRequest& head,
                                      std::string_view request_id);

}  // namespace noroshi::localaws
