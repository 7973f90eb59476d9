// How a part of the running router asks for an orderly end: as SIGTERM does, but with an exit
// status of its own (filter expect, `action exit`). Thread-safe; the first status stays.
#pragma once

namespace noroshi {

void request_exit(int status);
// 0: nobody asked.
[[nodiscard]] int requested_exit_status();

}  // namespace noroshi
