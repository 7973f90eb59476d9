// AwsError: a refusal as the real service words it; Answer<T>: what every operation gives.
#pragma once

#include <expected>
#include <string>
#include <utility>
#include <vector>

namespace noroshi::localaws {

struct AwsError {
  int status = 400;
  std::string code = {};
  std::string message = {};
  // Further elements of S3's <Error> (BucketName, Key, UploadId …).
  std::vector<std::pair<std::string, std::string>> details = {};
};

template <typename T>
using Answer = std::expected<T, AwsError>;

[[nodiscard]] inline std::unexpected<AwsError> refuse(int status, std::string code,
                                                      std::string message) {
  return std::unexpected(AwsError{status, std::move(code), std::move(message)});
}

// A failure of ours (disk, descriptors) as the services word theirs.
[[nodiscard]] inline std::unexpected<AwsError> internal_error(std::string message) {
  return refuse(500, "InternalError", std::move(message));
}

}  // namespace noroshi::localaws
