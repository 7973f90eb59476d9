#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace noroshi {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument:
      return "invalid argument";
    case ErrorCode::NotFound:
      return "not found";
    case ErrorCode::Io:
      return "input/output error";
    case ErrorCode::Corrupt:
      return "corrupt";
    case ErrorCode::Unavailable:
      return "unavailable";
    case ErrorCode::Timeout:
      return "timed out";
    case ErrorCode::Denied:
      return "denied";
    case ErrorCode::Exhausted:
      return "exhausted";
    case ErrorCode::Cancelled:
      return "cancelled";
  }
  return "unknown";
}

std::unexpected<Error> fail_errno(int error_number, std::string message) {
  ErrorCode code = ErrorCode::Io;
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      code = ErrorCode::Exhausted;
      break;
    case ENOENT:
      code = ErrorCode::NotFound;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::Denied;
      break;
    case EADDRINUSE:
      code = ErrorCode::Unavailable;
      break;
    default:
      break;
  }
  char buffer[128];
  message += ": ";
  message += strerror_r(error_number, buffer, sizeof buffer);  // GNU variant: returns the text
  return fail(code, std::move(message));
}

}  // namespace noroshi
