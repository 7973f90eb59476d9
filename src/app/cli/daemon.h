// -d: the router in the background. The command ends when the router runs or has failed, so that
// its exit status and its messages tell which.
#pragma once

#include <functional>

namespace noroshi {

// Forks; to be called before any thread is made. In the child it runs `work`, which calls `started`
// when all is well (from then on the terminal is let go), and returns its result. The parent does
// not return: it exits with 0 once `started` was called, else with the result of `work`.
[[nodiscard]] int run_in_background(
    const std::function<int(const std::function<void()>& started)>& work);

}  // namespace noroshi
