// name_this_thread(): what `top -H`, `perf` and a core dump call the calling thread.
#pragma once

#include <string>
#include <string_view>

namespace noroshi {

// Linux keeps 15 bytes (pthread_setname_np(3)).
inline constexpr size_t kThreadNameBytesMax = 15;

// As much of `name` as fits; the number behind its last '.' stays: "cloudwatch_logs.0" becomes
// "cloudwatch_lo.0".
[[nodiscard]] std::string thread_name(std::string_view name);
// A thread names itself when it begins.
void name_this_thread(std::string_view name);

}  // namespace noroshi
