// CHECK: an invariant of our own, verified in every build. A failure prints the condition, the
// reason and a backtrace, then aborts: the journal is safe on disk, and going on would risk it.
// Bytes that come from the network, the disk or the user are never CHECKed; they get a Result.
#pragma once

#include <string_view>

namespace noroshi {
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view why);
}  // namespace noroshi

#define CHECK(condition, why)                                       \
  do {                                                              \
    if (!(condition)) [[unlikely]] {                                \
      ::noroshi::check_failed(__FILE__, __LINE__, #condition, why); \
    }                                                               \
  } while (false)

// For hot loops: on in debug, sanitizer and fuzzing builds only.
#ifdef NDEBUG
#define DCHECK(condition, why) static_cast<void>(0)
#else
#define DCHECK(condition, why) CHECK(condition, why)
#endif
