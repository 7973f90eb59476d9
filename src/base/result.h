// Result, Status and Error: how every fallible function of noroshi answers.
//
//   Result<Segment> open_segment(const Path& path);
//   NOROSHI_ASSIGN(Segment segment, open_segment(path));   // returns the error to our caller
//   NOROSHI_TRY(segment.sync());
//
// The code is for the calling code to decide with; the message is for the operator: what was tried,
// on what (path, offset, tag), the system's words, and what happens next. Context is added on the
// way up
// (`with_context`), and the error is logged once, at the top. Tests check codes, never wording.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace noroshi {

enum class ErrorCode {
  InvalidArgument,  // the caller's or the user's input is wrong; repeating will not help
  NotFound,         // the named thing does not exist
  Io,               // the operating system refused: disk, socket
  Corrupt,          // stored or received bytes do not follow their format
  Unavailable,      // a peer cannot be reached or asked us to come back; repeating may help
  Timeout,          // a deadline passed
  Denied,           // credentials or permissions
  Exhausted,        // a limit of ours or of the machine is reached (journal full, ENOSPC)
  Cancelled,        // shutdown or the caller stopped it
};

[[nodiscard]] std::string_view to_string(ErrorCode code);

struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::Io;
  std::string message = {};

  // "journal /x: cannot append: No space left on device": `context` goes in front.
  Error with_context(std::string_view context) && {
    message.insert(0, std::string(context) + ": ");
    return std::move(*this);
  }
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

// fail() with the text of an errno value appended: "cannot open /x: Permission denied". ENOSPC and
// EDQUOT become Exhausted, ENOENT NotFound, EACCES and EPERM Denied, EADDRINUSE Unavailable,
// everything else Io.
[[nodiscard]] std::unexpected<Error> fail_errno(int error_number, std::string message);

}  // namespace noroshi

#define NOROSHI_CONCAT_INNER(a, b) a##b
#define NOROSHI_CONCAT(a, b) NOROSHI_CONCAT_INNER(a, b)

// Evaluates a Status or Result expression; on error returns it from the calling function.
#define NOROSHI_TRY(expression)                                  \
  do {                                                           \
    if (auto noroshi_status = (expression); !noroshi_status) {   \
      return std::unexpected(std::move(noroshi_status).error()); \
    }                                                            \
  } while (false)

// NOROSHI_ASSIGN(auto x, f()): x becomes the value; on error returns it from the calling function.
#define NOROSHI_ASSIGN(declaration, expression) \
  NOROSHI_ASSIGN_INNER(NOROSHI_CONCAT(noroshi_result_, __LINE__), declaration, expression)
#define NOROSHI_ASSIGN_INNER(result, declaration, expression)     \
  auto result = (expression);                                     \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = *std::move(result)
